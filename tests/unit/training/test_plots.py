"""The plots say in numbers what they show."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from tests.evaluations import evaluation
from training import checkpoint
from training.plots import PLOTS

MADE = evaluation(
    *[("normal", "normal", 0.1)] * 3,
    ("normal", "pneumonia", 0.9),
    *[("viral", "pneumonia", 0.8)] * 4,
    ("bacterial", "normal", 0.3),
)


def _words(name: str) -> str:
    """All text of a plot."""
    figure, panel = plt.subplots()
    PLOTS[name](MADE, panel)
    legend = panel.get_legend()
    said = [*panel.texts, *(legend.get_texts() if legend else ()), *panel.get_xticklabels()]
    said += [panel.title, panel.xaxis.label, panel.yaxis.label]
    plt.close(figure)
    return " ".join(text.get_text() for text in said)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("roc", ["AUROC 0.", " to ", "sensitivity 0.800, specificity 0.750"]),
        ("precision_recall", ["average precision 0.", "prevalence 0.556"]),
        ("confusion", ["3\n75.0%", "likeliest label", "viral"]),
        ("two_by_two", ["3\n75.0%", "1\n25.0%", "4\n80.0%", "not pneumonia", "threshold 0.500"]),
        ("reliability", ["ECE 0."]),
        ("decision_curve", ["treat all", "treat none"]),
    ],
)
def test_a_plot_has_its_numbers(name: str, parts: list[str]) -> None:
    words = _words(name)
    assert [part for part in parts if part not in words] == []


def test_epochs_are_whole_numbers_on_the_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "history.csv").write_text(
        "epoch,size,loss,accuracy,validation_loss,validation_accuracy,validation_auroc,kept\n"
        "1,32,0.9,0.5,0.8,0.6,0.7,last\n2,32,0.7,0.6,0.6,0.7,0.8,last\n"
    )
    drawn: list[Figure] = []
    monkeypatch.setattr(plt, "close", drawn.append)
    checkpoint._draw_curves(tmp_path)
    monkeypatch.undo()
    assert drawn
    for panel in drawn[0].axes:
        shown = np.array(panel.get_xticks())
        assert (shown == np.round(shown)).all()
    plt.close(drawn[0])
