"""How reliable answers were on the images of a calibration: the uncertain band, the subtype."""

import numpy as np
from numpy.typing import NDArray

from export.pool import Pool
from export.scaling import Scaling
from service.inference.operating_point import OperatingPoint, Rate, SubtypeRule, UncertainBand
from training.metrics import interval

Booleans = NDArray[np.bool_]


def measure_band(
    probability: NDArray[np.float64], low: float, high: float, pool: Pool
) -> UncertainBand | None:
    """What a band does to the answers.

    Args:
        probability: of pneumonia, float64 ``[M]``, for the images of the pool.
        low: uncertain from here on.
        high: pneumonia from here on.
        pool: reference labels.

    Returns:
        None where it leaves no image of a class outside, so that there is nothing to measure.
    """
    positive, negative = pool.y_true, ~pool.y_true
    inside = (low <= probability) & (probability < high)
    above, below = probability >= high, probability < low
    rates = (
        rate(inside, positive, pool.patients),
        rate(inside, negative, pool.patients),
        rate(above, positive & ~inside, pool.patients),
        rate(below, negative & ~inside, pool.patients),
    )
    pneumonia, normal, sensitivity, specificity = rates
    if not (pneumonia and normal and sensitivity and specificity):
        return None
    return UncertainBand(
        pneumonia=pneumonia, normal=normal, sensitivity=sensitivity, specificity=specificity
    )


def measure_subtypes(
    pool: Pool, scaling: Scaling, balanced: OperatingPoint, rule: SubtypeRule, data: str
) -> SubtypeRule | None:
    """The rule with how often it names a subtype, and how often the right one.

    Returns:
        None where the images are not of several known subtypes.
    """
    first = pool.labels.negatives
    subtypes = scaling.probabilities(pool.logits)[:, first:]
    asked = (pool.truth >= first) & [
        balanced.decide(value) == "pneumonia" for value in subtypes.sum(axis=1)
    ]
    named = asked & (subtypes.max(axis=1) >= rule.least_share * subtypes.sum(axis=1))
    right = subtypes.argmax(axis=1) + first == pool.truth
    labels = np.unique(pool.truth[named])
    if len(labels) < 2:
        return None

    def correct(rows: NDArray[np.int64]) -> float:
        return float(
            np.mean([share(right[rows], named[rows] & (pool.truth[rows] == one)) for one in labels])
        )

    return rule.model_copy(
        update={
            "named": rate(named, asked, pool.patients),
            "correct": interval(correct, pool.patients),
            "data": data,
        }
    )


def rate(counted: Booleans, among: Booleans, patients: NDArray[np.int64]) -> Rate | None:
    """The share of ``among`` that is counted, with its interval; None of nothing."""
    if not among.any():
        return None
    return interval(lambda rows: share(counted[rows], among[rows]), patients)


def share(counted: Booleans, among: Booleans) -> float:
    """The same without interval; NaN of nothing."""
    return float(counted[among].mean()) if among.any() else float("nan")
