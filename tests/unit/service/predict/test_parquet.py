"""Records as Parquet files: whole, partitioned, and gone on with."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from service.errors import InvalidRequest
from service.predict.output import ResumeError, columns
from service.predict.parquet import ParquetOutput, to_table

PATHS = columns(("normal", "viral"), prevalence=False, uids=False, drawing=False)


def answer(file: str, decision: str = "normal", sha256: str = "a") -> dict[str, Any]:
    return {
        "file": file,
        "decision": decision,
        "probability": 0.25,
        "probabilities": {"normal": 0.75, "viral": 0.25},
        "warnings": [{"code": "upscaled", "detail": "..."}],
        "model": {"sha256": sha256},
    }


def problem(file: str) -> dict[str, Any]:
    return {"file": file, "code": "too_large", "detail": "Much.", "warnings": []}


def test_answers_and_quarantine_are_two_tables(tmp_path: Path) -> None:
    out = ParquetOutput(str(tmp_path / "out"))
    out.add(to_table([answer("a"), problem("b"), answer("c", "pneumonia")], PATHS))
    out.flush()
    answers = {row["file"]: row for row in pq.read_table(tmp_path / "out/answers").to_pylist()}
    assert answers.keys() == {"a", "c"}
    assert (answers["c"]["decision"], answers["c"]["probability_viral"]) == ("pneumonia", 0.25)
    assert answers["a"]["warnings"] == ["upscaled"]
    [row] = pq.read_table(tmp_path / "out/quarantine").to_pylist()
    assert (row["file"], row["problem"], row["detail"]) == ("b", "too_large", "Much.")
    parts = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(parts) == 3
    assert not [path for path in parts if path.name.startswith(".")]


def test_what_is_done_is_read_by_a_later_run(tmp_path: Path) -> None:
    place = f"file://{tmp_path}/out"
    assert not ParquetOutput(place).exists()
    assert ParquetOutput(place).read_earlier("a") == set()
    out = ParquetOutput(place)
    out.add(to_table([answer("a"), problem("b")], PATHS))
    again = ParquetOutput(place)
    assert again.exists()
    assert again.read_earlier("a") == {"a", "b"}
    with pytest.raises(ResumeError, match="another model"):
        again.read_earlier("b")
    # it never writes over what an earlier run wrote
    again.add(to_table([answer("c")], PATHS))
    assert ParquetOutput(place).read_earlier("a") == {"a", "b", "c"}


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match="is a file"):
        ParquetOutput(str(tmp_path / "file"))
    out = ParquetOutput(str(tmp_path / "file" / "below"))
    with pytest.raises(InvalidRequest, match="cannot be written"):
        out.add(to_table([answer("a")], PATHS))
