"""Figures, against values worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from training.metrics import (
    Scores,
    auroc,
    average_precision,
    confusion,
    expected_calibration_error,
    interval,
    measure,
    measure_with_intervals,
    per_class,
)

# two normal, two bacterial, two viral, one of unknown subtype
SCORES = Scores(
    probabilities=np.array(
        [
            [0.9, 0.05, 0.05],
            [0.4, 0.5, 0.1],
            [0.1, 0.8, 0.1],
            [0.7, 0.2, 0.1],
            [0.2, 0.2, 0.6],
            [0.1, 0.5, 0.4],
            [0.3, 0.4, 0.3],
        ]
    ),
    truth=np.array([0, 0, 1, 1, 2, 2, -1]),
    patients=np.array([0, 1, 2, 3, 4, 4, 5]),
    threshold=0.5,
)


def test_figures_of_a_flawless_model_are_never_above_one() -> None:
    # some of these sums of precisions come out a rounding above one
    for images in range(20, 80):
        y_true = np.arange(images) % 3 > 0
        probability = np.where(y_true, 0.6, 0.1) + np.arange(images) / (4 * images)
        scores = np.stack([1 - probability, probability, 0 * probability], axis=1)
        figures = measure(Scores(scores, y_true.astype(int), np.arange(images), threshold=0.5))
        assert figures["average_precision"] == pytest.approx(1)
        assert figures["average_precision"] <= 1


def test_curves_have_the_areas_of_the_library_with_ties_too() -> None:
    generator = np.random.default_rng(0)
    for images in range(2, 60):
        positive = np.arange(images) < generator.integers(1, images)
        score = generator.integers(0, 9, images) / 9
        assert auroc(positive, score) == pytest.approx(roc_auc_score(positive, score))
        expected = pytest.approx(average_precision_score(positive, score))
        assert average_precision(positive, score) == expected
    assert np.isnan(auroc(np.ones(3, bool), np.arange(3.0)))
    assert np.isnan(average_precision(np.zeros(3, bool), np.arange(3.0)))


def test_figures_worked_out_by_hand() -> None:
    figures = measure(SCORES)
    assert figures["accuracy"] == pytest.approx(5 / 7)
    assert figures["sensitivity"] == pytest.approx(4 / 5)
    assert figures["specificity"] == pytest.approx(1 / 2)
    assert figures["precision"] == pytest.approx(4 / 5)
    assert figures["negative_predictive_value"] == pytest.approx(1 / 2)
    assert figures["f1"] == pytest.approx(4 / 5)
    # of ten pairs, only (0.6 normal, 0.3 pneumonia) is in the wrong order
    assert figures["auroc"] == pytest.approx(9 / 10)
    assert figures["three_class_accuracy"] == pytest.approx(3 / 6)
    assert figures["bacterial_or_viral_auroc"] == pytest.approx(1.0)
    y_true = np.array([0, 0, 1, 1, 1, 1, 1])
    p = np.array([0.1, 0.6, 0.9, 0.3, 0.8, 0.9, 0.7])
    assert figures["brier"] == pytest.approx(((p - y_true) ** 2).mean())


def test_a_probability_at_the_threshold_counts_as_reached() -> None:
    assert Scores(np.array([[0.5, 0.5, 0.0]]), np.array([1]), np.array([0]), 0.5).y_pred.all()


def test_calibration_error_is_zero_where_stated_and_observed_agree() -> None:
    stated = np.array([0.25] * 4 + [0.75] * 4)
    assert expected_calibration_error(stated, np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)) == 0
    assert expected_calibration_error(stated, np.zeros(8, bool)) == pytest.approx(0.5)
    assert expected_calibration_error(np.array([1.0]), np.array([True])) == 0


def test_figures_of_a_missing_class_are_left_out() -> None:
    figures = measure_with_intervals(SCORES.take(np.array([2, 3, 4])))
    assert "specificity" not in figures
    assert "auroc" not in figures
    assert figures["sensitivity"].value == pytest.approx(2 / 3)


def test_intervals_hold_the_value_and_repeat() -> None:
    figures = measure_with_intervals(SCORES)
    assert figures == measure_with_intervals(SCORES)
    for rate in figures.values():
        assert rate.low <= rate.value <= rate.high


def test_intervals_draw_patients_not_images() -> None:
    """A hundred copies of each patient's image tell no more than one."""
    values = np.random.default_rng(0).uniform(size=30)
    one = interval(lambda rows: float(values[rows].mean()), np.arange(30))
    copies, patients = np.repeat(values, 100), np.repeat(np.arange(30), 100)
    many = interval(lambda rows: float(copies[rows].mean()), patients)
    assert many.high - many.low == pytest.approx(one.high - one.low, rel=0.05)


def test_a_patient_is_drawn_with_all_images() -> None:
    patients = np.array([7, 2, 7, 9, 7, 2])

    def seen(rows: np.ndarray) -> float:
        times = np.bincount(rows, minlength=len(patients))
        assert all(len(set(times[patients == one])) == 1 for one in (2, 7, 9))
        assert times[[0, 1, 3]].sum() == 3  # one image of each: as many patients as there are
        return float(times[0] > 0)

    drawn = interval(seen, patients)
    assert drawn.low < drawn.high


def test_per_class_and_confusion_leave_unknown_subtypes_out() -> None:
    assert confusion(SCORES) == [[1, 1, 0], [1, 1, 0], [0, 1, 1]]
    rows = per_class(SCORES)
    assert rows["viral"]["images"] == 2
    assert rows["viral"]["sensitivity"] == pytest.approx(1 / 2)
    assert rows["bacterial"]["precision"] == pytest.approx(1 / 3)
