"""Scaling and operating points, fitted on a run's validation logits under all shifts."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import roc_curve

from export.pool import Pool
from export.reliability import measure_band, share
from export.scaling import Scaling, log_odds
from service.inference.contract import Histogram
from service.inference.operating_point import OperatingPoint, Rate
from training.budgets import FALSE_ALARMS, MISSED
from training.metrics import interval

# the smallest sensitivity of `screening` on shifted validation images of the main source
SCREENING = 0.99


def prevalence(pool: Pool) -> float:
    """The share of disease for which :func:`fit_scaling` calibrates."""
    return len(pool.labels.positive) / len(pool.labels)


def fit_scaling(pool: Pool) -> Scaling:
    """The scaling that minimises the log loss of disease, and that of the label.

    It is calibrated for labels that are equally frequent: two thirds of disease where these are
    normal, bacterial and viral.
    """
    negatives, y_true = pool.labels.negatives, pool.y_true
    odds = log_odds(pool.logits, negatives)
    weights = np.ones(len(y_true))
    weights[~y_true] = negatives * _balanced_weights(pool.truth[~y_true])
    weights[y_true] = len(pool.labels.positive) * _balanced_weights(pool.truth[y_true])

    def loss(tried: NDArray[np.float64]) -> float:
        scores = odds * np.exp(-tried[0]) + tried[1]
        return float(np.average(np.logaddexp(0, scores) - y_true * scores, weights=weights))

    fitted = minimize(loss, np.zeros(2), bounds=((-3, 3), (-20, 20)), method="L-BFGS-B").x
    return Scaling(
        float(np.exp(fitted[0])), float(fitted[1]), _subtype_temperature(pool), negatives
    )


def _balanced_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights that sum to 1: equal labels, or equal images where a label is unknown (-1)."""
    found, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shares = counts / counts.sum() if found[0] < 0 else np.full(len(found), 1 / len(found))
    weights: NDArray[np.float64] = (shares / counts)[place]
    return weights


def _subtype_temperature(pool: Pool) -> float:
    """Fitted on the images of known label; 1 where no side of disease has several labels."""
    sides = pool.sides
    if not sides:
        return 1.0

    def loss(log_temperature: float) -> float:
        total = 0.0
        for logits, truth in sides:
            scores = log_softmax(logits / np.exp(log_temperature), axis=1)
            chosen = scores[np.arange(len(truth)), truth]
            total -= float(np.average(chosen, weights=_balanced_weights(truth)))
        return total

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def operating_points(pool: Pool, scaling: Scaling, data: str) -> tuple[OperatingPoint, ...]:
    """Thresholds by two rules, with their sensitivity and specificity on the pool.

    ``balanced`` is where sensitivity and specificity are equal, so that it favours neither error
    under a shift of all probabilities; its uncertain band is as wide as its error budget
    requires on the images as they are, no conflicting one repeated. ``screening`` is the highest
    threshold that reaches the wanted sensitivity.
    """
    probability = scaling.pneumonia(pool.logits)
    y_true = pool.y_true
    low = float(np.quantile(probability[y_true & pool.once], MISSED, method="lower"))
    high = float(np.quantile(probability[~y_true & pool.once], 1 - FALSE_ALARMS, method="higher"))
    equal, screening = _equal_errors(probability, y_true), _finds_enough(probability, y_true)
    rules: tuple[tuple[str, float, float | None, float | None, str], ...] = (
        (
            "balanced",
            equal,
            min(low, equal),
            max(high, equal),
            "the threshold at which sensitivity and specificity are equal; uncertain so that at "
            f"most {MISSED:.0%} of the pneumonia images lie below the band and at most "
            f"{FALSE_ALARMS:.0%} of the normal images above it",
        ),
        (
            "screening",
            screening,
            None,
            None,
            f"the highest threshold that finds {SCREENING:.0%} of the pneumonia images",
        ),
    )
    points = []
    for name, threshold, uncertain_low, uncertain_high, rule in rules:
        y_pred = probability >= threshold

        def found(rows: NDArray[np.int64], y_pred: NDArray[np.bool_] = y_pred) -> float:
            return share(y_pred[rows], y_true[rows])

        def cleared(rows: NDArray[np.int64], y_pred: NDArray[np.bool_] = y_pred) -> float:
            return share(~y_pred[rows], ~y_true[rows])

        points.append(
            OperatingPoint(
                name=name,
                threshold=threshold,
                sensitivity=interval(found, pool.patients),
                specificity=interval(cleared, pool.patients),
                uncertain_low=uncertain_low,
                uncertain_high=uncertain_high,
                uncertain=(
                    None
                    if uncertain_low is None or uncertain_high is None
                    else measure_band(probability, uncertain_low, uncertain_high, pool)
                ),
                rule=rule,
                data=data,
            )
        )
    return tuple(points)


def threshold_intervals(pool: Pool, scaling: Scaling) -> dict[str, Rate]:
    """How far the thresholds would differ on other patients like these: 95 % intervals by name."""
    probability, y_true = scaling.pneumonia(pool.logits), pool.y_true

    def of(rule: Callable[[NDArray[np.float64], NDArray[np.bool_]], float]) -> Rate:
        return interval(lambda rows: rule(probability[rows], y_true[rows]), pool.patients)

    return {"balanced": of(_equal_errors), "screening": of(_finds_enough)}


def _finds_enough(probability: NDArray[np.float64], y_true: NDArray[np.bool_]) -> float:
    """The threshold of ``screening``; NaN without disease."""
    ranked = np.sort(probability[y_true])
    return float(ranked[int((1 - SCREENING) * len(ranked))]) if len(ranked) else float("nan")


def _equal_errors(probability: NDArray[np.float64], y_true: NDArray[np.bool_]) -> float:
    """The threshold of ``balanced``; NaN where a class is missing."""
    if y_true.all() or not y_true.any():
        return float("nan")
    alarms, hits, thresholds = roc_curve(y_true, probability)
    # the first threshold is above all probabilities and no fraction
    return float(thresholds[1:][np.abs(hits - (1 - alarms))[1:].argmin()])


def probability_histogram(pool: Pool, scaling: Scaling) -> Histogram:
    """Counts of the pooled probabilities of pneumonia in twenty bins."""
    counts, edges = np.histogram(scaling.pneumonia(pool.logits), np.linspace(0, 1, 21))
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))
