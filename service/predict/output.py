"""Answers as lines, and which files an earlier output already has lines for."""

import csv
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

from service.errors import PneumoniaError
from service.predict.reading import Record

# what a spreadsheet would run as a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ResumeError(PneumoniaError):
    """An output that cannot be continued."""

    code = "resume"


def columns(
    labels: Sequence[str], *, prevalence: bool, uids: bool, drawing: bool
) -> dict[str, tuple[str, ...]]:
    """The columns of a table of records, and where in a record each of them is.

    Args:
        labels: of the model.
        prevalence: whether answers are adjusted.
        uids: whether they name the DICOM object.
        drawing: whether evidence is drawn.
    """
    adjusted = ("prevalence", "probability") * prevalence
    values = ("positive_predictive_value", "negative_predictive_value") * prevalence
    identity = ("study_instance_uid", "series_instance_uid", "sop_instance_uid") * uids
    return {
        "file": ("file",),
        "decision": ("decision",),
        "probability": ("probability",),
        "subtype": ("subtype",),
        **{f"probability_{label}": ("probabilities", label) for label in labels},
        "operating_point": ("operating_point", "name"),
        "threshold": ("operating_point", "threshold"),
        **{f"adjusted_{name}": ("adjusted", name) for name in adjusted},
        **{name: ("adjusted", name) for name in values},
        "input_accepted": ("input_check", "accepted"),
        "input_distance": ("input_check", "distance"),
        "input_limit": ("input_check", "limit"),
        "warnings": ("warnings",),
        "problem": ("code",),
        "detail": ("detail",),
        "suspected_cause": ("suspected_cause",),
        "width": ("image", "width"),
        "height": ("image", "height"),
        "format": ("image", "format"),
        **{name: ("uids", name) for name in identity},
        "model": ("model", "name"),
        "model_version": ("model", "version"),
        "model_sha256": ("model", "sha256"),
        **({"drawing": ("drawing",)} if drawing else {}),
    }


def row(record: Record, paths: Mapping[str, tuple[str, ...]]) -> list[Any]:
    """The values of a record in the order of :func:`columns`; None where it has none."""
    if "code" in record:  # a refusal for its distance says how far it was
        check = {"distance": record.get("distance"), "limit": record.get("limit")}
        record = {**record, "input_check": check}
    return [_value(record, path) for path in paths.values()]


class Lines(Protocol):
    """How records become lines of text, and lines files that are done."""

    def head(self) -> str:
        """What stands before the first record."""
        ...

    def line(self, record: Record) -> str:
        """A record, with the end of its line."""
        ...

    def read(self, text: str) -> tuple[set[str], str | None]:
        """The files that have a whole line in the text, and the model that answered them.

        Raises:
            ResumeError: it is of another form.
        """
        ...

    def name(self, file: str) -> str:
        """What :meth:`read` calls a file."""
        ...


class JsonLines:
    """One JSON object a line."""

    def head(self) -> str:
        """Nothing."""
        return ""

    def line(self, record: Record) -> str:
        """ASCII, whatever the file is called."""
        return json.dumps(record) + "\n"

    def read(self, text: str) -> tuple[set[str], str | None]:
        """See :class:`Lines`."""
        try:
            records = [json.loads(line) for line in text.splitlines()]
            models = {record["model"]["sha256"] for record in records if "model" in record}
            return {record["file"] for record in records}, _one(models)
        except (ValueError, TypeError, KeyError):
            raise _other_form("JSON lines") from None

    def name(self, file: str) -> str:
        """See :class:`Lines`."""
        return file


class CsvLines:
    """One row a record, with the columns of the page's table."""

    def __init__(self, labels: Sequence[str], *, prevalence: bool, uids: bool, drawing: bool):
        """Choose the :func:`columns`."""
        self._paths = columns(labels, prevalence=prevalence, uids=uids, drawing=drawing)

    def head(self) -> str:
        """The names of the columns."""
        return _row(self._paths)

    def line(self, record: Record) -> str:
        """Empty cells for what a record has not; codes of warnings between blanks."""
        return _row(_cell(value) for value in row(record, self._paths))

    def read(self, text: str) -> tuple[set[str], str | None]:
        """See :class:`Lines`."""
        rows = list(csv.DictReader(StringIO(text, newline="")))
        if text and ((not rows and text != self.head()) or _row(rows[0]) != self.head()):
            raise _other_form("CSV with these columns")
        models = {row["model_sha256"] for row in rows if row["model_sha256"]}
        return {row["file"] for row in rows}, _one(models)

    def name(self, file: str) -> str:
        """See :class:`Lines`."""
        return _cell(file)


def read_earlier(file: Path, lines: Lines) -> tuple[set[str], str | None]:
    """What an interrupted run has written, after cutting off a line that it did not finish.

    Returns:
        The names of the files, and the SHA-256 of the model; None where no line tells it.

    Raises:
        ResumeError: the file is of another form, or cannot be read.
    """
    try:
        data = file.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            with file.open("r+b") as stream:
                stream.truncate(len(whole))
        return lines.read(whole.decode())
    except FileNotFoundError:
        return set(), None
    except UnicodeDecodeError:
        raise _other_form("text") from None
    except OSError as error:
        raise ResumeError(f"{file} cannot be continued: {error.strerror}.") from error


def _one(models: set[str]) -> str | None:
    if len(models) > 1:
        raise ResumeError("The output to be continued holds answers of several models.")
    return next(iter(models), None)


def _other_form(form: str) -> ResumeError:
    return ResumeError(f"The output to be continued is not {form}. Name another file by --out.")


def _value(record: Record, path: tuple[str, ...]) -> object:
    value: object = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _cell(value: object) -> str:
    if isinstance(value, list):
        value = " ".join(warning["code"] for warning in value)
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row(cells: object) -> str:
    stream = StringIO(newline="")
    csv.writer(stream).writerow(cells)  # type: ignore[arg-type]
    return stream.getvalue()
