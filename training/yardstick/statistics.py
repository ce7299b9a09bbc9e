"""Weighted figures of many bootstrap draws at once."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from training.metrics import expected_calibration_error
from training.shortcuts import Booleans, Floats
from training.yardstick.images import Images

DRAWS = 1000
_SEED = 0


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, drawn: Floats) -> "Interval":
        """From the value itself, followed by its bootstrap draws (percentiles, Efron 1979)."""
        low, high = np.nanpercentile(drawn[1:], [2.5, 97.5])
        return cls(float(drawn[0]), float(low), float(high))


def draw_patients(images: Images) -> Floats:
    """How often each image counts: once, then in ``DRAWS`` bootstrap draws of the patients.

    Patients are drawn with replacement within each part, each with all of their images. The draws
    are the same for every candidate, so that two can be compared draw by draw.

    Returns:
        float64 ``[1 + DRAWS, N]``.
    """
    generator = np.random.default_rng(_SEED)
    weights = np.ones((1 + DRAWS, len(images)))
    for part in np.unique(images.part):
        rows = np.flatnonzero(images.part == part)
        patients, place = np.unique(images.patients[rows], return_inverse=True)
        alike = np.full(len(patients), 1 / len(patients))
        weights[1:, rows] = generator.multinomial(len(patients), alike, DRAWS)[:, place]
    return weights


def weighted_aurocs(score: Floats, y_true: Booleans, weights: Floats) -> Floats:
    """AUROC under each row of weights; a tie is half a point (Mann and Whitney 1947).

    Args:
        score: float64 ``[N]``.
        y_true: bool ``[N]``, which images should score higher.
        weights: float64 ``[D, N]``, how often each image counts.

    Returns:
        float64 ``[D]``; NaN where a class has no weight.
    """
    order = np.argsort(score)
    score, y_true, weights = score[order], y_true[order], weights[:, order]
    negatives = np.pad(np.cumsum(weights * ~y_true, axis=1), ((0, 0), (1, 0)))
    lower = negatives[:, np.searchsorted(score, score, "left")]
    not_higher = negatives[:, np.searchsorted(score, score, "right")]
    won = (weights * y_true * (lower + not_higher) / 2).sum(axis=1)
    return _divide(won, (weights * y_true).sum(axis=1) * negatives[:, -1])


def weighted_shares(which: Booleans, weights: Floats) -> Floats:
    """Share of the images that are such, under each row of weights; NaN without any weight.

    Args:
        which: bool ``[N]``.
        weights: float64 ``[D, N]``.

    Returns:
        float64 ``[D]``.
    """
    return _divide((weights * which).sum(axis=1), weights.sum(axis=1))


def calibration(probability: Floats, y_true: Booleans) -> dict[str, float]:
    """ECE, Brier score, and slope and intercept of a logistic recalibration (Cox 1958).

    A slope below 1 says that the probabilities are too extreme.
    """
    odds = logit(np.clip(probability, 1e-6, 1 - 1e-6))

    def loss(line: Floats) -> float:
        stated = np.clip(expit(line[0] * odds + line[1]), 1e-12, 1 - 1e-12)
        return float(-np.mean(np.where(y_true, np.log(stated), np.log(1 - stated))))

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    return {
        "ece": expected_calibration_error(probability, y_true),
        "brier": float(np.mean((probability - y_true) ** 2)),
        "slope": float(slope),
        "intercept": float(intercept),
    }


def _divide(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio
