"""Tables of candidates on the yardstick, and of what a model may do elsewhere."""

from typing import Any

import pytest

from training.reports.model_blocks import assumptions, expected
from training.reports.yardstick_blocks import levers, shipped


def rate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def candidate(name: str, auroc: float) -> dict[str, Any]:
    figures = {"conflicting": rate(auroc), "clean": rate(0.99), "conflicting_draws": rate(0.5)}
    for part in ("conflicting", "clean"):
        figures |= {f"{part}_sensitivity": rate(0.8), f"{part}_specificity": rate(auroc / 2)}
    return {
        "candidate": name,
        "runs": ["a", "b"],
        "score": rate(auroc),
        "figures": figures,
        "against_first": {"score": rate(0.2), "conflicting": rate(0.3)},
    }


REPORT = {"candidates": [candidate("plain", 0.6), candidate("tone", 0.9)]}


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.split("\n") if line]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]


def test_levers_are_compared_with_the_first() -> None:
    measured, differences = levers(REPORT).split("\n\n")
    head, _, plain, tone = rows(measured)
    assert head == ["candidate", "runs", "score", "conflicting", "clean"]
    assert plain == ["plain", "2", "0.600 (0.500 to 0.700)", "0.600", "0.990"]
    assert tone[0] == "tone"
    assert rows(differences)[2] == ["tone", "0.200 (0.100 to 0.300)", "0.300 (0.200 to 0.400)"]
    assert len(rows(differences)) == 3


def test_a_figure_that_a_candidate_lacks_is_left_blank() -> None:
    given = [candidate("with adults", 0.6), candidate("without", 0.9)]
    given[0]["figures"]["adults_ap"] = rate(0.7)
    given[1]["figures"]["unseen_ap"] = rate(0.5)
    head, _, *candidates = rows(levers({"candidates": given}).split("\n\n")[0])
    assert head[-2:] == ["adults, AP", "adults never seen, AP"]
    assert [row[-2:] for row in candidates] == [["0.700", "-"], ["-", "0.500"]]


@pytest.mark.parametrize("held_out", ["blocked", "clean", "cluster"])
def test_whoever_was_held_out_has_a_column(held_out: str) -> None:
    given = candidate("tone", 0.9)
    given["figures"][held_out] = rate(0.7)
    _, _, tone = rows(levers({"candidates": [given]}).split("\n\n")[0])
    assert "0.700" in tone


def test_exported_models_have_sensitivity_and_specificity_beside_each_figure() -> None:
    figures, errors = shipped(REPORT).split("\n\n")
    assert rows(figures)[0] == ["figure", "plain", "tone", "tone minus plain"]
    assert [row[0] for row in rows(figures)[2:]] == ["score", "conflicting"]
    assert rows(errors)[2:] == [
        ["conflicting", "0.800 / 0.300", "0.800 / 0.450"],
        ["clean", "0.800 / 0.300", "0.800 / 0.450"],
    ]


def test_a_prediction_reaches_from_the_lowest_to_the_highest_limit() -> None:
    names = ["auroc", "accuracy", "sensitivity", "specificity", "bacterial_or_viral_auroc"]
    names += ["three_class_accuracy", "ece", "brier"]

    def assumption(value: float) -> dict[str, Any]:
        both = {"sensitivity": rate(value), "specificity": rate(value)}
        return {
            "held_out": "fold 0",
            "mixed": "as they are",
            "images": 10,
            "figures": {name: rate(value) for name in names},
            "screening": both,
            "calibration": {"slope": rate(value), "intercept": rate(value)},
        }

    report = {"assumptions": [assumption(0.5), assumption(0.9)]}
    table = rows(expected(report))
    assert [row[1:3] for row in table[2:]] == [["0.700", "0.400, 1.000"]] * (len(names) + 4)
    assert [row[:2] for row in rows(assumptions(report))[2:]] == [["fold 0, as they are", "10"]] * 2
