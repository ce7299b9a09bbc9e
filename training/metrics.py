"""Figures of a classifier, with intervals by bootstrap over patients."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import confusion_matrix

from service.inference.operating_point import Rate
from training.labels import CHILDREN, LabelSet

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

ECE_BINS = 15
RESAMPLES = 1000


@dataclass(frozen=True)
class Scores:
    """Predictions and reference labels of the same images, in one order.

    Attributes:
        probabilities: float64 ``[N, C]``, one for each label.
        truth: int ``[N]``, the reference label's column; -1 where only disease is known.
        patients: int ``[N]``, equal for images of one patient.
        threshold: disease at or above it.
        labels: of the columns.
    """

    probabilities: Floats
    truth: NDArray[np.int64]
    patients: NDArray[np.int64]
    threshold: float
    labels: LabelSet = CHILDREN

    @property
    def probability(self) -> Floats:
        """Of disease, float64 ``[N]``."""
        return self.labels.probability(self.probabilities)

    @property
    def y_true(self) -> Booleans:
        """Whether the reference is disease, bool ``[N]``."""
        return self.labels.is_positive(self.truth)

    @property
    def y_pred(self) -> Booleans:
        """Whether the probability reaches the threshold, bool ``[N]``."""
        # in float32, as the graph and the service have it, so that an equal value counts as reached
        return self.probability.astype(np.float32) >= np.float32(self.threshold)

    def take(self, rows: NDArray[np.int64]) -> "Scores":
        """The rows with these indices."""
        return replace(
            self,
            probabilities=self.probabilities[rows],
            truth=self.truth[rows],
            patients=self.patients[rows],
        )


def expected_calibration_error(
    probability: Floats, y_true: Booleans, bins: int = ECE_BINS
) -> float:
    """Mean gap between stated probability and observed share, over equally wide bins, 0..1."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    stated = np.bincount(place, probability, bins)
    observed = np.bincount(place, y_true.astype(float), bins)
    return float(np.abs(stated - observed).sum() / counts.sum())


def net_benefit(scores: Scores, thresholds: Floats) -> Floats:
    """Of acting from each probability on: the share of right actions less that of wrong ones, these
    weighed by the odds of the threshold (decision curve, Vickers and Elkin 2006,
    doi 10.1177/0272989X06295361); float64, one for each of ``thresholds``, 0..1.
    """
    acted = scores.probability[np.newaxis] >= thresholds[:, np.newaxis]
    right = (acted & scores.y_true).mean(axis=1)
    wrong = (acted & ~scores.y_true).mean(axis=1)
    gained: Floats = right - wrong * thresholds / (1 - thresholds)
    return gained


def measure(scores: Scores) -> dict[str, float]:
    """All figures of one set of predictions; NaN where one is undefined (a class is missing)."""
    y_true, y_pred, probability = scores.y_true, scores.y_pred, scores.probability
    tp, fp = (y_pred & y_true).sum(), (y_pred & ~y_true).sum()
    fn, tn = (~y_pred & y_true).sum(), (~y_pred & ~y_true).sum()
    figures = {
        "accuracy": _share(tp + tn, len(y_true)),
        "sensitivity": _share(tp, tp + fn),
        "specificity": _share(tn, tn + fp),
        "precision": _share(tp, tp + fp),
        "negative_predictive_value": _share(tn, tn + fn),
        "f1": _share(2 * tp, 2 * tp + fp + fn),
        "auroc": auroc(y_true, probability),
        "average_precision": average_precision(y_true, probability),
        "brier": float(np.mean((probability - y_true) ** 2)),
        "ece": expected_calibration_error(probability, y_true),
    }
    return figures | _among_labels(scores)


def _among_labels(scores: Scores) -> dict[str, float]:
    """How well more labels than two are told apart, where they are known."""
    count = len(scores.labels)
    if count == 2:
        return {}
    known = scores.truth >= 0
    right = (scores.probabilities.argmax(axis=1) == scores.truth)[known].sum()
    accuracy = {
        "three_class_accuracy" if count == 3 else "class_accuracy": _share(right, known.sum())
    }
    if scores.labels.positive != CHILDREN.positive:
        return accuracy
    rows = scores.truth >= scores.labels.negatives
    ours = scores.probabilities[rows, scores.labels.negatives :]
    viral = ours[:, 1] / np.maximum(ours.sum(axis=1), 1e-12)
    return {
        **accuracy,
        "bacterial_or_viral_auroc": auroc(scores.truth[rows] == count - 1, viral),
    }


def measure_with_intervals(
    scores: Scores, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Rate]:
    """Every figure with its 95 % interval by bootstrap over patients.

    Patients are drawn with replacement, each with all of its images (percentile bootstrap, Efron
    1979), because images of one patient are not independent. Undefined figures are left out.
    """
    drawn = [measure(scores.take(rows)) for rows in resampled(scores.patients, seed, resamples)]
    return {
        name: _with_interval(value, [one[name] for one in drawn])
        for name, value in measure(scores).items()
        if not np.isnan(value)
    }


def interval(
    figure: Callable[[NDArray[np.int64]], float],
    patients: NDArray[np.int64],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Rate:
    """One figure of row indices with its 95 % interval by bootstrap over patients."""
    values = [figure(rows) for rows in resampled(patients, seed, resamples)]
    return _with_interval(figure(np.arange(len(patients))), values)


def per_class(scores: Scores) -> dict[str, Mapping[str, float]]:
    """Sensitivity, precision and one-against-rest AUROC by label, where the label is known."""
    known = scores.truth >= 0
    truth, probabilities = scores.truth[known], scores.probabilities[known]
    answer = probabilities.argmax(axis=1)
    return {
        label: {
            "images": float((truth == column).sum()),
            "sensitivity": _share(
                ((answer == column) & (truth == column)).sum(), (truth == column).sum()
            ),
            "precision": _share(
                ((answer == column) & (truth == column)).sum(), (answer == column).sum()
            ),
            "auroc": auroc(truth == column, probabilities[:, column]),
        }
        for column, label in enumerate(scores.labels.names)
    }


def confusion(scores: Scores) -> list[list[int]]:
    """Counts by true label (rows) and likeliest label (columns), where the label is known."""
    known = scores.truth >= 0
    y_pred = scores.probabilities[known].argmax(axis=1)
    table = confusion_matrix(scores.truth[known], y_pred, labels=range(len(scores.labels)))
    rows: list[list[int]] = table.tolist()
    return rows


def resampled(
    patients: NDArray[np.int64], seed: int, resamples: int
) -> Iterator[NDArray[np.int64]]:
    """Rows of bootstrap samples: patients drawn with replacement, each with all of its images."""
    order = np.argsort(patients, kind="stable")  # the images of one patient side by side
    _, first, images = np.unique(patients[order], return_index=True, return_counts=True)
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        chosen = generator.integers(0, len(first), len(first))
        lengths = images[chosen]
        begun = np.cumsum(lengths) - lengths  # where each patient's images begin in the sample
        yield order[np.arange(lengths.sum()) + np.repeat(first[chosen] - begun, lengths)]


def _with_interval(value: float, drawn: list[float]) -> Rate:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Rate(value=value, low=float(low), high=float(high))


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def auroc(positive: Booleans, score: Floats) -> float:
    """Area under the ROC curve, 0..1; NaN where one of the classes is missing.

    By ranks (Mann and Whitney 1947): a bootstrap asks a thousand times, and scikit-learn takes
    thirty times as long.

    Args:
        positive: bool ``[N]``, which images should score higher.
        score: float64 ``[N]``.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    above = rankdata(score)[positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def average_precision(positive: Booleans, score: Floats) -> float:
    """Mean precision at the scores of the positive images, 0..1; NaN where there are none.

    Images with one score count together, as in scikit-learn, which takes far longer.

    Args:
        positive: bool ``[N]``, which images should score higher.
        score: float64 ``[N]``.
    """
    if not positive.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # of each score
    found = np.cumsum(positive[order])[last]
    precision = found / (last + 1)
    # a sum whose rounding may lie above one
    return min(1.0, float((np.diff(found, prepend=0) * precision).sum() / found[-1]))
