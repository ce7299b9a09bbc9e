"""Decisions are counted by true label, and the model card reads what the report wrote."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.evaluate import Answer, Evaluation
from training.metrics import Scores, measure_with_intervals
from training.report import write_report, write_shifts
from training.reports import model_blocks


def evaluation(*answers: tuple[str, str, float]) -> Evaluation:
    """Of ``(truth, decision, probability of pneumonia)``, all of it viral."""
    said = tuple(
        Answer(
            f"{number}.png",
            str(number),
            truth,
            decision,
            None if decision == "refused" else (1 - probability, 0.0, probability),
            None,
        )
        for number, (truth, decision, probability) in enumerate(answers)
    )
    answered = [one for one in said if one.probabilities]
    scores = Scores(
        np.array([one.probabilities for one in answered]),
        np.array([("normal", "bacterial", "viral").index(one.truth) for one in answered]),
        np.arange(len(answered)),
        0.5,
    )
    figures = measure_with_intervals(scores)
    return Evaluation("made", "none", "balanced", 0.5, said, (), scores, figures)


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
    for people in ("children", "adults"):
        write_report(CLEAN, tmp_path / people)
    assert "Not measured yet" in model_blocks.coverage()
    write_shifts({"clean": CLEAN, "blur": BLURRED}, tmp_path / "children")
    assert "auroc" in json.loads((tmp_path / "children" / "shifts.json").read_text())["blur"]
    assert "| clean | 16.7% | 25.0% | 0.0% | 16.7% |" in model_blocks.coverage()
    assert "| blur | 16.7% | 25.0% | 100.0% | 0.0% |" in model_blocks.coverage()
    errors = model_blocks.worst_errors()
    assert "| normal | 0 of 2 | 2 of 2 | blur: 2 |" in errors
    assert "| viral | 1 of 2 | 0 of 2 | - |" in errors
    assert "| adults, viral | 2 | 50.0% | 0.0% | 50.0% | 0.0% |" in model_blocks.subgroups()
