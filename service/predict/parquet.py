"""Records as Parquet files, partitioned, of which each is there whole or not at all.

``answers/decision=.../part-*.parquet`` holds what was answered, ``quarantine/problem=...`` what was
not, and why. Both read as one table each: ``pyarrow.parquet.read_table(OUT + "/answers")``.
"""

import json
from collections.abc import Iterable, Mapping
from math import inf
from time import monotonic
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from service.errors import InvalidRequest
from service.predict.output import ResumeError, row
from service.predict.reading import Record
from service.predict.storage import file_system

_ROWS = 100_000
_SECONDS = 30.0
# table -> the column whose values are its folders
_PARTITIONS = {"answers": "decision", "quarantine": "problem"}
_QUARANTINED = ("file", "detail", "suspected_cause", "input_distance", "input_limit")
_OF_PROBLEMS = ("problem", "detail", "suspected_cause")
_TYPES = {
    "warnings": pa.list_(pa.string()),
    "input_accepted": pa.bool_(),
    "width": pa.int32(),
    "height": pa.int32(),
    **dict.fromkeys(("threshold", "input_distance", "input_limit"), pa.float64()),
}


def to_table(records: Iterable[Record], paths: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """One row a record, with the columns of the CSV output.

    Args:
        records: answers and problems.
        paths: of :func:`service.predict.output.columns`.
    """
    rows = [dict(zip(paths, row(record, paths), strict=True)) for record in records]
    for one in rows:
        one["warnings"] = [warning["code"] for warning in one["warnings"]]
    return pa.Table.from_pylist(rows, pa.schema([(name, _type(name)) for name in paths]))


class ParquetOutput:
    """A folder that grows; one process writes it."""

    def __init__(self, place: str) -> None:
        """Open a folder that may not be there yet.

        Args:
            place: path or URL.

        Raises:
            InvalidRequest: the URL is of no known kind, or a file is there.
        """
        self._system, self._root = file_system(place)
        if self._system.isfile(self._root):
            raise InvalidRequest(f"{place} is a file; name a folder.")
        self._name, self._parts = uuid4().hex[:12], 0
        self._waiting: list[pa.Table] = []
        self._written = (
            -inf
        )  # so that the first rows are written at once, and show that they can be

    def exists(self) -> bool:
        """Whether there is anything in it."""
        return self._system.isdir(self._root) and bool(self._system.ls(self._root))

    def read_earlier(self, sha256: str) -> set[str]:
        """The files that are answered or quarantined in it.

        Raises:
            ResumeError: they were answered by another model, or cannot be read.
        """
        done: set[str] = set()
        for table, partition in _PARTITIONS.items():
            for part in self._system.glob(f"{self._root}/{table}/{partition}=*/part-*.parquet"):
                wanted = ["file", "model_sha256"] if table == "answers" else ["file"]
                try:
                    with pq.ParquetFile(part, filesystem=self._system) as file:
                        found = file.read(wanted)
                except (KeyError, OSError, pa.ArrowException) as error:
                    raise ResumeError(f"{part} cannot be read: {error}.") from error
                if table == "answers" and pc.unique(found["model_sha256"]).to_pylist() != [sha256]:
                    raise ResumeError(
                        "The folder holds answers of another model. Name another by --out."
                    )
                done.update(found["file"].to_pylist())
        return done

    def add(self, table: pa.Table) -> None:
        """Take rows of :func:`to_table`, and write them with others when it is time.

        Raises:
            InvalidRequest: they cannot be written.
        """
        self._waiting.append(table)
        rows = sum(len(one) for one in self._waiting)
        if rows >= _ROWS or monotonic() - self._written > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            table = pa.concat_tables(self._waiting)
            self._waiting = []
            refused = pc.is_valid(table["problem"])
            self._write("quarantine", table.filter(refused).select([*_QUARANTINED, "problem"]))
            self._write("answers", table.filter(pc.invert(refused)).drop_columns(_OF_PROBLEMS))
            self._parts += 1
        self._written = monotonic()

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write ``report.json``."""
        self._place(f"{self._root}/report.json", json.dumps(report, indent=2).encode())

    def _write(self, name: str, table: pa.Table) -> None:
        partition = _PARTITIONS[name]
        for value in pc.unique(table[partition]).to_pylist():
            part = table.filter(pc.equal(table[partition], value)).drop_columns([partition])
            sink = pa.BufferOutputStream()
            pq.write_table(part, sink)
            path = f"{name}/{partition}={value}/part-{self._name}-{self._parts:05}.parquet"
            self._place(f"{self._root}/{path}", sink.getvalue())

    def _place(self, path: str, data: bytes) -> None:
        """A whole file under its name at once: readers and later runs never see half of one."""
        folder, _, name = path.rpartition("/")
        try:
            self._system.makedirs(folder, exist_ok=True)
            self._system.pipe_file(f"{folder}/.{name}", data)
            self._system.mv(f"{folder}/.{name}", path)
        except OSError as error:
            raise InvalidRequest(f"{path} cannot be written: {error.strerror or error}.") from error


def _type(name: str) -> Any:
    floats = ("probability", "adjusted_", "positive_", "negative_")
    return _TYPES.get(name, pa.float64() if name.startswith(floats) else pa.string())
