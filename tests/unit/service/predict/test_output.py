"""Records as lines, and what an earlier output already holds."""

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from service.predict.output import CsvLines, JsonLines, Lines, ResumeError, read_earlier

LABELS = ("normal", "bacterial", "viral")
ANSWER: dict[str, Any] = {
    "file": "a,b.jpg",
    "decision": "pneumonia",
    "probability": 0.75,
    "probabilities": {"normal": 0.25, "bacterial": 0.5, "viral": 0.25},
    "subtype": None,
    "operating_point": {"name": "balanced", "threshold": 0.5},
    "input_check": {"accepted": True, "distance": 1.5, "limit": 2.0},
    "model": {"name": "tiny", "version": "1.0", "sha256": "ab"},
    "warnings": [{"code": "upscaled", "detail": "x"}, {"code": "age_unknown", "detail": "y"}],
}
REFUSAL: dict[str, Any] = {
    "file": "=1+1",
    "code": "not_a_chest_xray",
    "detail": 'It says "no".',
    "distance": 3.5,
    "limit": 2.0,
    "suspected_cause": "inverted",
    "warnings": [],
}
PLAIN = CsvLines(LABELS, prevalence=False, uids=False, drawing=False)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text, newline="")))


def test_a_row_has_every_figure_of_an_answer_and_of_a_refusal() -> None:
    answer, refusal = rows(PLAIN.head() + PLAIN.line(ANSWER) + PLAIN.line(REFUSAL))
    assert answer.keys() == refusal.keys()
    assert (answer["file"], answer["probability_viral"], answer["subtype"]) == (
        "a,b.jpg",
        "0.25",
        "",
    )
    assert (answer["warnings"], answer["problem"]) == ("upscaled age_unknown", "")
    assert (answer["threshold"], answer["input_accepted"]) == ("0.5", "true")
    assert (refusal["decision"], refusal["problem"]) == ("", "not_a_chest_xray")
    assert (refusal["input_distance"], refusal["input_limit"]) == ("3.5", "2.0")
    assert (refusal["suspected_cause"], refusal["detail"]) == ("inverted", 'It says "no".')


def test_a_spreadsheet_runs_no_file_name() -> None:
    (refusal,) = rows(PLAIN.head() + PLAIN.line(REFUSAL))
    assert refusal["file"] == "'=1+1"


def test_columns_come_with_what_was_asked_for() -> None:
    asked = CsvLines(LABELS, prevalence=True, uids=True, drawing=True)
    adjusted = {"prevalence": 0.1, "probability": 0.2, "positive_predictive_value": None}
    record = {**ANSWER, "adjusted": adjusted, "uids": {"sop_instance_uid": "1.2"}, "drawing": "d"}
    (row,) = rows(asked.head() + asked.line(record))
    assert (row["adjusted_prevalence"], row["adjusted_probability"]) == ("0.1", "0.2")
    assert (row["positive_predictive_value"], row["sop_instance_uid"]) == ("", "1.2")
    assert row["drawing"] == "d"
    assert (
        not {"drawing", "sop_instance_uid", "adjusted_prevalence"}
        & rows(PLAIN.head() + PLAIN.line(ANSWER))[0].keys()
    )


@pytest.mark.parametrize("lines", [JsonLines(), PLAIN], ids=["json", "csv"])
def test_what_is_written_is_found_again_without_a_line_that_was_cut(
    tmp_path: Path, lines: Lines
) -> None:
    out = tmp_path / "out"
    assert read_earlier(out, lines) == (set(), None)
    names = ["a,b.jpg", "=1+1", "na\u00efve\udcff.jpg"]
    written = [{**ANSWER, "file": names[0]}, REFUSAL, {**ANSWER, "file": names[2]}]
    whole = lines.head() + "".join(map(lines.line, written))
    out.write_bytes((whole + lines.line(ANSWER)[:-5]).encode())
    done, model = read_earlier(out, lines)
    assert done == {lines.name(name) for name in names}
    assert model == "ab"
    assert out.read_bytes() == whole.encode()


@pytest.mark.parametrize("lines", [JsonLines(), PLAIN], ids=["json", "csv"])
@pytest.mark.parametrize("text", ["a,b\n1,2\n", '{"file": 1}\n{]\n', "[]\n", "\ud800\n"])
def test_another_file_is_not_continued(tmp_path: Path, lines: Lines, text: str) -> None:
    out = tmp_path / "out"
    out.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ResumeError, match="is not"):
        read_earlier(out, lines)


def test_answers_of_two_models_are_not_continued(tmp_path: Path) -> None:
    out = tmp_path / "out"
    other = {**ANSWER, "model": {"sha256": "cd"}}
    out.write_text("".join(map(JsonLines().line, [ANSWER, other])))
    with pytest.raises(ResumeError, match="several models"):
        read_earlier(out, JsonLines())


def test_json_lines_are_ascii() -> None:
    line = JsonLines().line({"file": "na\u00efve\udcff.jpg"})
    assert line.isascii()
    assert json.loads(line)["file"] == "na\u00efve\udcff.jpg"
