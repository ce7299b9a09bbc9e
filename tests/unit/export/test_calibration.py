"""Scaling and thresholds from logits whose right answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from export.calibration import (
    fit_scaling,
    operating_points,
    prevalence,
    probability_histogram,
    threshold_intervals,
)
from export.pool import Pool
from export.reliability import measure_subtypes
from export.scaling import Scaling
from service.inference.operating_point import OperatingPoint, SubtypeRule
from training.budgets import FALSE_ALARMS, MISSED
from training.data import DataError
from training.labels import CHILDREN, LabelSet
from training.validation import Validation, join

PLAIN = Scaling()


def make_pool(scaling: Scaling = PLAIN, images: int = 6000, labels: LabelSet = CHILDREN) -> Pool:
    """Labels drawn from logits under a scaling."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 1.5, (images, 3))
    truth = np.array([generator.choice(3, p=share) for share in scaling.probabilities(logits)])
    return Pool(logits, truth, np.arange(images), labels)


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Whose logits are calibrated as they are."""
    return make_pool()


@pytest.fixture(scope="module")
def points(pool: Pool) -> tuple[OperatingPoint, ...]:
    """Its operating points, `balanced` and `screening`."""
    return operating_points(pool, PLAIN, "made")


def test_the_interval_of_each_threshold_holds_it(
    pool: Pool, points: tuple[OperatingPoint, ...]
) -> None:
    intervals = threshold_intervals(pool, PLAIN)
    for point in points:
        interval = intervals[point.name]
        assert interval.low <= point.threshold <= interval.high
    assert intervals["screening"].high < intervals["balanced"].low


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


def test_thresholds_follow_their_rules_and_the_band_keeps_its_budget(
    pool: Pool, points: tuple[OperatingPoint, ...]
) -> None:
    balanced, screening = points
    probability = PLAIN.pneumonia(pool.logits)
    for point in (balanced, screening):
        found = (probability[pool.y_true] >= point.threshold).mean()
        assert found == point.sensitivity.value
        assert point.sensitivity.low <= found <= point.sensitivity.high
    assert 0.99 <= screening.sensitivity.value < 0.992
    assert balanced.sensitivity.value == pytest.approx(balanced.specificity.value, abs=0.002)
    assert screening.uncertain_low is None
    assert balanced.uncertain_low is not None
    assert balanced.uncertain_high is not None
    assert (probability[pool.y_true] < balanced.uncertain_low).mean() <= MISSED
    assert (probability[~pool.y_true] >= balanced.uncertain_high).mean() <= FALSE_ALARMS + 1e-3
    assert balanced.uncertain_low <= balanced.threshold <= balanced.uncertain_high


def test_the_band_is_measured_apart_from_the_threshold(
    pool: Pool, points: tuple[OperatingPoint, ...]
) -> None:
    balanced, screening = points
    decisions = np.array([balanced.decide(p) for p in PLAIN.pneumonia(pool.logits)])
    band = balanced.uncertain
    assert band is not None
    assert screening.uncertain is None
    ill = decisions[pool.y_true]
    well = decisions[~pool.y_true]
    assert band.pneumonia.value == pytest.approx((ill == "uncertain").mean())
    assert band.normal.value == pytest.approx((well == "uncertain").mean())
    said = ill[ill != "uncertain"]
    assert band.sensitivity.value == pytest.approx((said == "pneumonia").mean())
    said = well[well != "uncertain"]
    assert band.specificity.value == pytest.approx((said == "normal").mean())
    assert band.sensitivity.low < band.sensitivity.value < band.sensitivity.high
    assert band.sensitivity.value > balanced.sensitivity.value


def test_the_subtype_is_measured_where_it_is_named(
    pool: Pool, points: tuple[OperatingPoint, ...]
) -> None:
    balanced, _ = points
    rule = measure_subtypes(pool, PLAIN, balanced, SubtypeRule(least_share=0.6), "made")
    strict = measure_subtypes(pool, PLAIN, balanced, SubtypeRule(least_share=0.9), "made")
    assert rule is not None and rule.named is not None and rule.correct is not None
    assert strict is not None and strict.named is not None and strict.correct is not None
    assert rule.named.value > strict.named.value
    assert rule.correct.value < strict.correct.value
    probabilities = PLAIN.probabilities(pool.logits)
    rows = np.array(
        [
            label > 0
            and balanced.decide(shares[1:].sum()) == "pneumonia"
            and shares[1:].max() >= 0.6 * shares[1:].sum()
            for label, shares in zip(pool.truth, probabilities, strict=True)
        ]
    )
    right = probabilities[rows, 1:].argmax(axis=1) + 1 == pool.truth[rows]
    by_label = [right[pool.truth[rows] == label].mean() for label in (1, 2)]
    assert rule.correct.value == pytest.approx(np.mean(by_label))
    assert rule.data == "made"


def test_images_of_one_subtype_measure_no_subtype(
    pool: Pool, points: tuple[OperatingPoint, ...]
) -> None:
    balanced, _ = points
    unknown = Pool(pool.logits, np.where(pool.truth > 0, -1, 0), pool.patients)
    assert measure_subtypes(unknown, PLAIN, balanced, SubtypeRule(), "made") is None


def test_the_fit_is_calibrated_for_the_prevalence_that_is_stated() -> None:
    pool = make_pool(Scaling(2.0), images=20_000)
    scaling = fit_scaling(pool)
    probability = scaling.pneumonia(pool.logits)
    ill = probability[pool.y_true].mean()
    well = probability[~pool.y_true].mean()
    share = prevalence(pool)
    assert share == pytest.approx(2 / 3)
    # a calibrated mean is the prevalence; both classes weigh as they do at it
    assert share * ill + (1 - share) * well == pytest.approx(share, abs=0.01)


def test_the_pool_holds_one_source_under_all_shifts() -> None:
    logits = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)
    validation = Validation(
        ("clean", "blur"),
        logits,
        np.array([[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5], [1, 0, 0]], np.float32),
        np.array([0, 1, 2, 3]),
        np.array(["home", "home", "home", "elsewhere"]),
        np.zeros(4, bool),
        np.zeros((1, 8, 8, 1), np.uint8),
    )
    pool = Pool.of(validation, "home")
    assert pool.truth.tolist() == [0, 1, 0, 1]
    assert pool.patients.tolist() == [0, 1, 0, 1]
    assert pool.logits.tolist() == logits[:, :2].reshape(-1, 3).tolist()


def validation_of(conflicting: tuple[bool, ...]) -> Validation:
    """Held-out images of one source, every other one with pneumonia, whose logits are their row."""
    count = len(conflicting)
    sides = [[1, 0, 0] if row % 2 else [0, 1, 0] for row in range(count)]
    return Validation(
        ("clean",),
        np.repeat(np.arange(count, dtype=np.float32), 3).reshape(1, count, 3),
        np.array(sides, np.float32),
        np.arange(count),
        np.array(["home"] * count),
        np.array(conflicting),
        np.zeros((1, 8, 8, 1), np.uint8),
    )


def test_conflicting_images_are_a_fifth_of_each_side() -> None:
    # of 40 images row 0 has pneumonia and rows 1 and 3 have none, against their devices
    pool = Pool.of(validation_of(tuple(row in (0, 1, 3) for row in range(40))), "home")
    rows = pool.logits[:, 0].astype(int)
    for side, conflicting in ((pool.y_true, {0}), (~pool.y_true, {1, 3})):
        share = np.isin(rows[side], list(conflicting)).mean()
        assert share == pytest.approx(0.2, abs=0.02)
    # where they are many already, none is repeated
    assert len(Pool.of(validation_of((True, True, False, False)), "home").truth) == 4


def test_predictions_of_several_runs_join() -> None:
    first, second = validation_of((False,) * 6), validation_of((True,) * 4)
    joined = join(first, [second])
    assert joined.logits.shape == (1, 10, 3)
    assert joined.conflicting.tolist() == [False] * 6 + [True] * 4
    with pytest.raises(DataError, match="other labels or shifts"):
        join(first, [replace(second, shifts=("blur",))])


def test_the_histogram_counts_every_answer() -> None:
    histogram = probability_histogram(make_pool(images=500), Scaling())
    assert sum(histogram.counts) == 500
    assert len(histogram.edges) == 21
