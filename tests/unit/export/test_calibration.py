"""Temperature and thresholds from logits whose right answer is known."""

import numpy as np
import pytest

from export.calibration import (
    FALSE_ALARMS,
    MISSED,
    Pool,
    fit_temperature,
    operating_points,
    probability_histogram,
)
from training.validation import Validation


def _pool(temperature: float, images: int = 6000) -> Pool:
    """Labels drawn from the softmax of logits, which are then sharpened by ``temperature``."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 1.5, (images, 3))
    odds = np.exp(logits)
    shares = odds / odds.sum(axis=1, keepdims=True)
    truth = np.array([generator.choice(3, p=share) for share in shares])
    return Pool(logits * temperature, truth, np.arange(images))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_sharpened_the_logits_is_found(temperature: float) -> None:
    assert fit_temperature(_pool(temperature)) == pytest.approx(temperature, rel=0.1)


def test_pneumonia_of_unknown_kind_counts_for_both_kinds() -> None:
    known = _pool(2.0)
    hidden = np.where((known.truth > 0) & (np.arange(len(known.truth)) % 2 == 0), -1, known.truth)
    pool = Pool(known.logits, hidden, known.patients)
    assert pool.ill.sum() == known.ill.sum()
    assert fit_temperature(pool) == pytest.approx(2.0, rel=0.15)


def test_thresholds_follow_their_rules_and_the_band_keeps_its_budget() -> None:
    pool = _pool(1.0)
    balanced, screening = operating_points(pool, 1.0, "made")
    probability = pool.probability(1.0)
    for point in (balanced, screening):
        found = (probability[pool.ill] >= point.threshold).mean()
        assert found == point.sensitivity.value
        assert point.sensitivity.low <= found <= point.sensitivity.high
    assert 0.995 <= screening.sensitivity.value < 0.997
    assert balanced.sensitivity.value == pytest.approx(balanced.specificity.value, abs=0.002)
    assert screening.uncertain_low is None
    assert balanced.uncertain_low is not None
    assert balanced.uncertain_high is not None
    assert (probability[pool.ill] < balanced.uncertain_low).mean() <= MISSED
    assert (probability[~pool.ill] >= balanced.uncertain_high).mean() <= FALSE_ALARMS + 1e-3
    assert balanced.uncertain_low <= balanced.threshold <= balanced.uncertain_high


def test_the_pool_holds_one_source_under_all_shifts() -> None:
    logits = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)
    validation = Validation(
        ("clean", "blur"),
        logits,
        np.array([[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5], [1, 0, 0]], np.float32),
        np.array([0, 1, 2, 3]),
        np.array(["home", "home", "home", "elsewhere"]),
        np.zeros((1, 8, 8, 1), np.uint8),
    )
    pool = Pool.of(validation, "home")
    assert pool.truth.tolist() == [0, 1, 0, 1]
    assert pool.patients.tolist() == [0, 1, 0, 1]
    assert pool.logits.tolist() == logits[:, :2].reshape(-1, 3).tolist()


def test_the_histogram_counts_every_answer() -> None:
    histogram = probability_histogram(_pool(1.0, 500), 1.0)
    assert sum(histogram.counts) == 500
    assert len(histogram.edges) == 21
