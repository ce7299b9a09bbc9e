"""Scaling and thresholds from logits whose right answer is known."""

import numpy as np
import pytest

from export.calibration import (
    Pool,
    fit_scaling,
    operating_points,
    probability_histogram,
)
from export.scaling import Scaling
from training.budgets import FALSE_ALARMS, MISSED
from training.labels import CHILDREN, LabelSet
from training.validation import Validation

PLAIN = Scaling()


def make_pool(scaling: Scaling = PLAIN, images: int = 6000, labels: LabelSet = CHILDREN) -> Pool:
    """Labels drawn from logits under a scaling."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 1.5, (images, 3))
    truth = np.array([generator.choice(3, p=share) for share in scaling.probabilities(logits)])
    return Pool(logits, truth, np.arange(images), labels)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_scaling_of_the_logits_is_found(temperature: float) -> None:
    # with as many of each class as the fit takes for granted
    made = Scaling(temperature, offset=0.0, subtype_temperature=2 * temperature)
    found = fit_scaling(_balanced(make_pool(made)))
    assert found.temperature == pytest.approx(made.temperature, rel=0.15)
    assert found.subtype_temperature == pytest.approx(made.subtype_temperature, rel=0.25)


def test_the_scaling_is_found_with_two_labels_without_disease() -> None:
    labels = LabelSet(("covid", "normal", "tb"), negatives=2, finding="tb")
    made = Scaling(2.0, offset=0.0, subtype_temperature=0.5, negatives=2)
    found = fit_scaling(_balanced(make_pool(made, labels=labels)))
    assert found.negatives == 2
    assert found.temperature == pytest.approx(made.temperature, rel=0.15)
    assert found.subtype_temperature == pytest.approx(made.subtype_temperature, rel=0.25)


def test_an_offset_is_found() -> None:
    plain = _balanced(make_pool(Scaling(2.0)))
    moved = Pool(np.add(plain.logits, [0, 0.8, 0.8]), plain.truth, plain.patients)
    found, other = fit_scaling(plain), fit_scaling(moved)
    assert other.offset == pytest.approx(found.offset - 0.8 / found.temperature, abs=0.01)
    assert other.temperature == pytest.approx(found.temperature, rel=0.01)


def _balanced(pool: Pool) -> Pool:
    fewest = np.bincount(pool.truth).min()
    rows = np.concatenate([np.flatnonzero(pool.truth == label)[:fewest] for label in range(3)])
    return Pool(pool.logits[rows], pool.truth[rows], pool.patients[rows], pool.labels)


def test_pneumonia_of_unknown_subtype_counts_for_pneumonia_and_not_for_the_subtype() -> None:
    known = make_pool(Scaling(2.0, 0.0, 2.0))
    hidden = np.where((known.truth > 0) & (np.arange(len(known.truth)) % 2 == 0), -1, known.truth)
    pool = Pool(known.logits, hidden, known.patients)
    assert pool.y_true.sum() == known.y_true.sum()
    assert fit_scaling(pool).subtype_temperature == pytest.approx(2.0, rel=0.2)
    whole, partly = fit_scaling(known), fit_scaling(pool)
    assert partly.offset == pytest.approx(whole.offset, abs=0.05)
    unknown = Pool(known.logits, np.where(known.truth > 0, -1, 0), known.patients)
    assert fit_scaling(unknown).subtype_temperature == 1.0


def test_thresholds_follow_their_rules_and_the_band_keeps_its_budget() -> None:
    pool = make_pool()
    balanced, screening = operating_points(pool, Scaling(), "made")
    probability = Scaling().pneumonia(pool.logits)
    for point in (balanced, screening):
        found = (probability[pool.y_true] >= point.threshold).mean()
        assert found == point.sensitivity.value
        assert point.sensitivity.low <= found <= point.sensitivity.high
    assert 0.995 <= screening.sensitivity.value < 0.997
    assert balanced.sensitivity.value == pytest.approx(balanced.specificity.value, abs=0.002)
    assert screening.uncertain_low is None
    assert balanced.uncertain_low is not None
    assert balanced.uncertain_high is not None
    assert (probability[pool.y_true] < balanced.uncertain_low).mean() <= MISSED
    assert (probability[~pool.y_true] >= balanced.uncertain_high).mean() <= FALSE_ALARMS + 1e-3
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
    histogram = probability_histogram(make_pool(images=500), Scaling())
    assert sum(histogram.counts) == 500
    assert len(histogram.edges) == 21
