"""Two large published sets of adults in the layout in which they are handed out.

NIH ChestX-ray14 (Wang et al. 2017, arXiv:1705.02315): ``Data_Entry_2017*.csv``, the images in any
folders, and ``train_val_list.txt`` and ``test_list.txt``. Pneumonia counts as disease; images with
other findings are a label of their own.

The RSNA Pneumonia Detection Challenge (Shih et al. 2019, doi 10.1148/ryai.2019180041):
``stage_2_detailed_class_info.csv`` or ``stage_2_train_labels.csv``, the DICOM files in any folders.
Lung opacity counts as disease; the third class, neither opaque nor normal, does not.
"""

from pathlib import Path

from training.labels import PNEUMONIA, normalised
from training.lists import age_in_years, columns, rows, sex_of, table_files
from training.samples import DataError, Listing, Sample

_NO_FINDING, _OTHER_FINDING = "no finding", "other finding"
_OPACITY, _NO_OPACITY = "lung opacity", "no lung opacity"
_IMAGES = (".png", ".jpg", ".jpeg", ".dcm")


def find(folder: Path, source: str) -> Listing | None:
    """What a published table in this folder names; None where there is none.

    Raises:
        DataError: the table is there and none of its images.
    """
    for file in table_files(folder):
        names = set(columns(file))
        if {"image index", "finding labels"} <= names:
            return _nih(folder, file, source)
        if {"patientid", "class"} <= names:
            return _rsna(folder, file, source)
    for file in table_files(folder):
        if {"patientid", "target"} <= set(columns(file)):
            return _rsna(folder, file, source)
    return None


def _nih(folder: Path, table: Path, source: str) -> Listing:
    images = _images(folder)
    parts = {
        name: part
        for file, part in (("train_val_list.txt", "train"), ("test_list.txt", "test"))
        if (folder / file).is_file()
        for name in (folder / file).read_text().split()
    }
    samples, absent = [], 0
    for row in rows(table):
        path = images.get(row["image index"])
        if path is None:
            absent += 1
            continue
        findings = {normalised(one) for one in row["finding labels"].split("|")}
        label = _OTHER_FINDING
        if PNEUMONIA in findings:
            label = PNEUMONIA
        elif _NO_FINDING in findings:
            label = _NO_FINDING
        samples.append(
            Sample(
                path,
                label,
                f"{source}/{row['patient id']}",
                source,
                parts.get(row["image index"], "train" if parts else None),
                age_in_years(row.get("patient age", "")),
                sex_of(row.get("patient gender", "") or row.get("patient sex", "")),
                "list",
            )
        )
    return _listing(samples, table, "NIH ChestX-ray14", PNEUMONIA, absent)


def _rsna(folder: Path, table: Path, source: str) -> Listing:
    images = {path.stem: path for path in _images(folder).values()}
    labels = {
        row["patientid"]: normalised(row["class"])
        if "class" in row
        else (_OPACITY if row["target"].strip() == "1" else _NO_OPACITY)
        for row in rows(table)  # one row for each box, which say the same
    }
    samples = [
        Sample(images[name], label, f"{source}/{name}", source, patient_from="list")
        for name, label in labels.items()
        if name in images
    ]
    return _listing(samples, table, "RSNA Pneumonia", _OPACITY, len(labels) - len(samples))


def _images(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.rglob("*") if path.suffix.lower() in _IMAGES}


def _listing(samples: list[Sample], table: Path, name: str, positive: str, absent: int) -> Listing:
    if not samples:
        raise DataError(
            f"{table} is the list of {name}, and none of its images is in {table.parent}."
        )
    notes = (f"{absent} images of {table.name} are not here.",) if absent else ()
    samples.sort(key=lambda sample: (sample.label, sample.path))
    return Listing(tuple(samples), f"{name} as published, {table.name}", notes, (positive,))
