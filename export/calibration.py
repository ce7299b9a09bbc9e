"""Temperature and operating points, fitted on a run's validation logits under all shifts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from service.contract import Histogram, OperatingPoint
from training.metrics import interval
from training.validation import Validation

# name -> smallest sensitivity on shifted validation images of the main source
SENSITIVITIES = {"balanced": 0.98, "screening": 0.995}


@dataclass(frozen=True)
class Pool:
    """Validation logits of the main source, all shifts in one column, classes weighing the same.

    Attributes:
        logits: float64 ``[M, C]``.
        truth: int64 ``[M]``.
        patients: int64 ``[M]``.
        weights: float64 ``[M]``, so that every class counts one third.
    """

    logits: NDArray[np.float64]
    truth: NDArray[np.int64]
    patients: NDArray[np.int64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, validation: Validation, source: str) -> "Pool":
        """Flatten the images of one source over all shifts, the clean ones included."""
        rows = (validation.sources == source) & (validation.targets.max(axis=1) > 0.99)
        logits = validation.logits[:, rows].astype(np.float64)
        copies = logits.shape[0]
        truth = np.tile(validation.targets[rows].argmax(axis=1), copies).astype(np.int64)
        counts = np.bincount(truth, minlength=logits.shape[2])
        return cls(
            logits.reshape(-1, logits.shape[2]),
            truth,
            np.tile(validation.groups[rows], copies),
            len(truth) / (len(counts) * counts[truth]),
        )

    def probability(self, temperature: float) -> NDArray[np.float64]:
        """Of pneumonia, float64 ``[M]``."""
        values: NDArray[np.float64] = 1 - softmax(self.logits / temperature, axis=1)[:, 0]
        return values


def fit_temperature(pool: Pool) -> float:
    """The temperature that minimises the weighted log loss (Guo et al. 2017, arXiv:1706.04599)."""

    def loss(log_temperature: float) -> float:
        scores = log_softmax(pool.logits / np.exp(log_temperature), axis=1)
        chosen = scores[np.arange(len(pool.truth)), pool.truth]
        return float(-(pool.weights * chosen).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def operating_points(pool: Pool, temperature: float, data: str) -> tuple[OperatingPoint, ...]:
    """The highest threshold that still finds the wanted share of the pneumonia images."""
    probability = pool.probability(temperature)
    ill = pool.truth != 0
    points = []
    for name, wanted in SENSITIVITIES.items():
        ranked = np.sort(probability[ill])
        threshold = float(ranked[int((1 - wanted) * len(ranked))])
        called = probability >= threshold

        def found(rows: NDArray[np.int64], called: NDArray[np.bool_] = called) -> float:
            return float(called[rows][ill[rows]].mean())

        def cleared(rows: NDArray[np.int64], called: NDArray[np.bool_] = called) -> float:
            return float(1 - called[rows][~ill[rows]].mean())

        points.append(
            OperatingPoint(
                name=name,
                threshold=threshold,
                sensitivity=interval(found, pool.patients),
                specificity=interval(cleared, pool.patients),
                rule=f"the highest threshold that finds {wanted:.1%} of the pneumonia images",
                data=data,
            )
        )
    return tuple(points)


def probability_histogram(pool: Pool, temperature: float) -> Histogram:
    """Counts of the pooled probabilities of pneumonia in twenty bins."""
    counts, edges = np.histogram(pool.probability(temperature), np.linspace(0, 1, 21))
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))
