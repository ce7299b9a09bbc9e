"""Decisions are counted by true label, and the model card reads what the report wrote."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluations import evaluation
from training.advice import advise
from training.plots import PLOTS
from training.report import write_report, write_shifts
from training.reports import model_blocks
from training.samples import Sample

CLEAN = evaluation(
    ("normal", "normal", 0.1),
    ("normal", "uncertain", 0.5),
    ("viral", "pneumonia", 0.9),
    ("viral", "normal", 0.04),
    ("bacterial", "pneumonia", 0.8),
    ("bacterial", "refused", 0.0),
)
BLURRED = evaluation(
    ("normal", "pneumonia", 0.95),
    ("normal", "pneumonia", 0.93),
    ("viral", "pneumonia", 0.9),
    ("viral", "normal", 0.2),
    ("bacterial", "pneumonia", 0.8),
    ("bacterial", "uncertain", 0.5),
)


def test_decisions_are_counted_by_true_label() -> None:
    table = CLEAN.decisions()
    assert list(table) == ["normal", "viral", "bacterial"]
    assert table["viral"] == {
        "images": 2,
        "pneumonia": 1,
        "normal": 1,
        "uncertain": 0,
        "refused": 0,
        "confident_errors": 1,
    }
    assert table["bacterial"]["refused"] == 1
    assert BLURRED.decisions()["normal"]["confident_errors"] == 2


def test_the_model_card_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_blocks, "REPORTS", tmp_path)
    write_report(CLEAN, tmp_path / "children")
    shutil.copytree(tmp_path / "children", tmp_path / "adults")
    write_shifts({"clean": CLEAN, "blur": BLURRED}, tmp_path / "children")
    assert "auroc" in json.loads((tmp_path / "children" / "shifts.json").read_text())["blur"]
    decisions = json.loads((tmp_path / "children" / "decisions.json").read_text())
    coverage = model_blocks.coverage(decisions)
    assert "| clean | 16.7% | 25.0% | 0.0% | 16.7% |" in coverage
    assert "| blur | 16.7% | 25.0% | 100.0% | 0.0% |" in coverage
    errors = model_blocks.worst_errors(decisions)
    assert "| normal | 0 of 2 | 2 of 2 | blur: 2 |" in errors
    assert "| viral | 1 of 2 | 0 of 2 | - |" in errors
    assert "| adults, viral | 2 | 50.0% | 0.0% | 50.0% | 0.0% |" in model_blocks.subgroups()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Of images that lie there, the surest error being ``3.png``."""
    rows = []
    for number, answer in enumerate((*CLEAN.answers, *BLURRED.answers)):
        file = tmp_path / f"{number}.png"
        Image.fromarray(np.full((200, 150), 20 * number, np.uint8)).save(file)
        sample = Sample(file, answer.truth, answer.patient, "one" if number % 2 else "<two>", age=9)
        rows.append(replace(answer, file=file.name, sample=sample))
    made = evaluation(
        *[(row.truth, row.decision, 1 - (row.probabilities or (1.0,))[0]) for row in rows]
    )
    made = replace(made, answers=tuple(rows))
    write_report(made, tmp_path / "out", advise(made, None, 0.1))
    return tmp_path / "out"


def test_the_html_report_holds_everything_in_itself(written: Path) -> None:
    page = (written / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(PLOTS)
    assert page.count("data:image/jpeg;base64,") == 5  # all that are on the wrong side
    assert "3.png: viral, answered normal (0.040)" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<two>" not in page, "what comes from outside is escaped"
    assert "&lt;two&gt;" in page
    assert "<td>6 to 17</td>" in page
    assert "What to do: collect more images" in page


def test_nothing_in_the_report_is_nan(tmp_path: Path) -> None:
    made = evaluation(*[("normal", "normal", 0.1), ("viral", "pneumonia", 0.9)] * 3)
    write_report(made, tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert "| bacterial | 0 | - | - | - |" in page
    assert "nan" not in page
    classes = json.loads((tmp_path / "report.json").read_text())["per_class"]
    assert classes["bacterial"]["auroc"] is None
