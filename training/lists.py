"""Lists of images: CSV or Parquet with ``path`` and ``label``, and what else is known.

Further columns are ``patient``, ``source``, ``split``, ``age`` and ``sex``; others are ignored.
Paths are relative to the list.
"""

import csv
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, TypeAlias

from training.labels import normalised
from training.patients import recognise_patient
from training.samples import DataError, Listing, PatientFrom, Sample, part_named

Row: TypeAlias = Mapping[str, str]

SUFFIXES = (".csv", ".parquet")
_REQUIRED = {"path", "label"}
_AGE = re.compile(r"0*(\d{1,3})(?:\.\d*)?\s*(?:y|years?)?", re.IGNORECASE)
_OLDEST = 130


def find(folder: Path, source: str) -> Listing | None:
    """What the one list in a folder names; None where no file there is such a list.

    Raises:
        DataError: there are several, or it is broken.
    """
    files = [one for one in table_files(folder) if set(columns(one)) >= _REQUIRED]
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise DataError(f"{folder} has several lists of images ({names}); name the one to use.")
    return read(files[0], source) if files else None


def read(file: Path, source: str) -> Listing:
    """What a list names.

    Args:
        file: ``.csv`` or ``.parquet``.
        source: of the images of which the list names none.

    Raises:
        DataError: it cannot be read, lacks a column, names a part nobody knows, or none of its
            files exists.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise DataError(f"{file} is neither a folder nor a .csv or .parquet list of images.")
    missing = _REQUIRED - set(columns(file))
    if missing:
        raise DataError(
            f"{file} has no column {' and no column '.join(sorted(missing))}; its columns are "
            f"{', '.join(columns(file))}."
        )
    samples, lost, unlabelled = [], [], 0
    for row in rows(file):
        path = file.parent / row["path"]
        if not row["label"].strip():
            unlabelled += 1
        elif not path.is_file():
            lost.append(row["path"])
        else:
            samples.append(_sample(row, path, source, file))
    if not samples:
        raise DataError(
            f"None of the files that {file} names exists, such as {lost[0] if lost else 'none'}; "
            f"paths are relative to {file.parent}."
        )
    notes = []
    if lost:
        notes.append(f"{len(lost)} files of {file} do not exist, such as {lost[0]}.")
    if unlabelled:
        notes.append(f"{unlabelled} rows of {file} have no label and were left out.")
    parts = {sample.part for sample in samples}
    if None in parts and len(parts) > 1:
        raise DataError(
            f"Some rows of {file} have no split and others have; say it of all or none."
        )
    samples.sort(key=lambda sample: (sample.label, sample.path))
    return Listing(tuple(samples), f"a list, {file.name}", tuple(notes))


def table_files(folder: Path) -> list[Path]:
    """The CSV and Parquet files of a folder."""
    return sorted(
        one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES and one.is_file()
    )


def columns(file: Path) -> list[str]:
    """Names of a table's columns, in lower case.

    Raises:
        DataError: it cannot be read.
    """
    if file.suffix.lower() == ".parquet":
        return [name.strip().lower() for name in _parquet(file).column_names]
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        head = stream.readline()
    return [
        name.strip().lower() for name in next(csv.reader([head], delimiter=_delimiter(head)), [])
    ]


def rows(file: Path) -> list[Row]:
    """The rows of a table by names of columns in lower case; values are text, empty for none.

    Raises:
        DataError: it cannot be read.
    """
    if file.suffix.lower() == ".parquet":
        found = _parquet(file).to_pylist()
        return [{k.strip().lower(): _text(value) for k, value in row.items()} for row in found]
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        delimiter = _delimiter(stream.readline())
        stream.seek(0)
        read_rows = csv.reader(stream, delimiter=delimiter)
        names = [name.strip().lower() for name in next(read_rows, [])]
        # a short row lacks its last values
        return [
            dict.fromkeys(names, "") | dict(zip(names, row, strict=False))
            for row in read_rows
            if row
        ]


def age_in_years(text: str) -> int | None:
    """Years of ``42``, ``42.0``, ``042Y``; None where it says nothing or nothing believable."""
    match = _AGE.fullmatch(text.strip())
    years = int(match.group(1)) if match else None
    return years if years is not None and years <= _OLDEST else None


def sex_of(text: str) -> str | None:
    """``F`` or ``M`` of the usual words, anything else as it is; None of nothing."""
    word = text.strip()
    return {"f": "F", "female": "F", "m": "M", "male": "M"}.get(word.lower(), word or None)


def _sample(row: Row, path: Path, source: str, file: Path) -> Sample:
    source = row.get("source", "").strip() or source
    patient_from: PatientFrom = "list"
    patient = row.get("patient", "").strip()
    if not patient:
        patient, patient_from = recognise_patient(path, PurePath(row["path"]))
    split = row.get("split", "").strip()
    part = part_named(split)
    if split and part is None:
        raise DataError(f"{file} has the split {split}; it must be train, val or test.")
    return Sample(
        path,
        normalised(row["label"]),
        f"{source}/{patient}",
        source,
        part,
        age_in_years(row.get("age", "")),
        sex_of(row.get("sex", "")),
        patient_from,
    )


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _parquet(file: Path) -> Any:
    import pyarrow.lib
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(file)
    except (pyarrow.lib.ArrowInvalid, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}") from error
