"""Weighted figures of many draws at once."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.yardstick.statistics import Interval, calibration, weighted_aurocs, weighted_shares


def test_aurocs_are_those_of_the_images_repeated_with_ties_worth_a_half() -> None:
    generator = np.random.default_rng(0)
    score = generator.integers(0, 8, 60) / 8
    y_true = generator.random(60) < 0.4
    weights = generator.integers(0, 4, (20, 60)).astype(float)
    expected = [
        roc_auc_score(np.repeat(y_true, w), np.repeat(score, w)) for w in weights.astype(int)
    ]
    assert weighted_aurocs(score, y_true, weights) == pytest.approx(expected)


def test_a_draw_without_one_class_has_no_auroc() -> None:
    weights = np.array([[1.0, 1, 0], [0, 1, 1]])
    found = weighted_aurocs(np.array([0.1, 0.2, 0.9]), np.array([False, False, True]), weights)
    assert np.isnan(found[0])
    assert found[1] == 1


def test_shares_are_of_the_weights() -> None:
    found = weighted_shares(np.array([True, False]), np.array([[1.0, 3.0], [0.0, 0.0]]))
    assert found[0] == 0.25
    assert np.isnan(found[1])


def test_too_extreme_probabilities_have_a_slope_below_one() -> None:
    generator = np.random.default_rng(1)
    odds = generator.normal(0, 1.5, 4000)
    y_true = generator.random(4000) < 1 / (1 + np.exp(-odds))
    honest = calibration(1 / (1 + np.exp(-odds)), y_true)
    boastful = calibration(1 / (1 + np.exp(-2 * odds - 1)), y_true)
    assert honest["slope"] == pytest.approx(1, abs=0.1)
    assert honest["intercept"] == pytest.approx(0, abs=0.1)
    assert boastful["slope"] == pytest.approx(0.5, abs=0.05)
    assert boastful["intercept"] == pytest.approx(-0.5, abs=0.1)
    assert boastful["brier"] > honest["brier"]
    assert boastful["ece"] > honest["ece"]


def test_an_interval_holds_the_middle_of_the_draws() -> None:
    interval = Interval.of(np.concatenate([[0.4], np.linspace(0, 1, 101)]))
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.4, 0.025, 0.975))
