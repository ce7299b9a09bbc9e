"""Two models on the same images: is one better, and by how much?"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from training.data import DataError
from training.evaluate import Evaluation
from training.metrics import RESAMPLES, Booleans, Floats, Scores, measure, resampled

COMPARED = ("auroc", "accuracy", "sensitivity", "specificity", "brier", "ece")


@dataclass(frozen=True)
class Difference:
    """A figure of two models on the same images.

    Attributes:
        one: of the first model.
        other: of the second.
        low: lower end of the 95 % interval of one minus other, by bootstrap over patients.
        high: its upper end.
        p: two-sided, that the true difference is 0, by the same bootstrap.
    """

    one: float
    other: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the images that both answered.

    Attributes:
        images: how many.
        patients: of whom.
        left_out: images that one of the two refused.
        differences: by figure, in the order of ``COMPARED``.
        delong: p of equal AUROCs by DeLong's test, which takes every image for independent.
    """

    images: int
    patients: int
    left_out: int
    differences: dict[str, Difference]
    delong: float


_FEWEST = 2  # images of each class: one tells nothing of the spread


def compare(one: Evaluation, other: Evaluation, resamples: int = RESAMPLES) -> Comparison:
    """Compare two evaluations of the same files, each at its own threshold.

    Raises:
        DataError: the evaluations are of other files.
    """
    pairs = list(zip(one.answers, other.answers, strict=False))
    if len(one.answers) != len(other.answers) or any(
        (a.file, a.patient) != (b.file, b.patient) for a, b in pairs
    ):
        raise DataError("The two models did not read the same files and cannot be compared.")
    both = [a.probabilities is not None and b.probabilities is not None for a, b in pairs]
    first, second = (_answered_by_both(evaluation, both) for evaluation in (one, other))
    drawn = [
        _subtract(first.take(rows), second.take(rows))
        for rows in resampled(first.patients, 0, resamples)
    ]
    figures = measure(first), measure(second)
    return Comparison(
        len(first.truth),
        len(np.unique(first.patients)),
        both.count(False),
        {
            name: _difference(figures[0][name], figures[1][name], [row[name] for row in drawn])
            for name in COMPARED
        },
        delong(first.y_true, first.probability, second.probability),
    )


def delong(y_true: Booleans, one: Floats, other: Floats) -> float:
    """Two-sided p that two scores of the same images have the same AUROC.

    DeLong et al. 1988 (doi 10.2307/2531595), by ranks (Sun and Xu 2014,
    doi 10.1109/LSP.2014.2337313).

    Args:
        y_true: bool ``[N]``, of independent images, both classes among them.
        one: float ``[N]``, scores of one model.
        other: float ``[N]``, of the other.

    Returns:
        0..1; 1 where a class has a single image, which tells nothing.
    """
    positives, negatives = int(y_true.sum()), int((~y_true).sum())
    if min(positives, negatives) < _FEWEST:
        return 1.0
    of_positives, of_negatives, areas = [], [], []
    for scores in (one, other):
        ranks = rankdata(scores)
        above = (ranks[y_true] - rankdata(scores[y_true])) / negatives
        areas.append(above.mean())
        of_positives.append(above)
        of_negatives.append(1 - (ranks[~y_true] - rankdata(scores[~y_true])) / positives)
    covariance = np.cov(of_positives) / positives + np.cov(of_negatives) / negatives
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    gap = areas[0] - areas[1]
    if variance <= 0:  # the same order of all images
        return 1.0 if gap == 0 else 0.0
    return float(2 * norm.sf(abs(gap) / np.sqrt(variance)))


def write_comparison(comparison: Comparison, one: str, other: str, folder: Path) -> None:
    """Write ``comparison.json`` and ``comparison.md`` into a folder."""
    (folder / "comparison.json").write_text(
        json.dumps({"models": [one, other], **asdict(comparison)}, indent=2) + "\n"
    )
    (folder / "comparison.md").write_text(to_markdown(comparison, one, other))


def to_markdown(comparison: Comparison, one: str, other: str) -> str:
    """The page ``comparison.md``."""
    rows = "\n".join(
        f"| {name} | {row.one:.3f} | {row.other:.3f} | {row.one - row.other:+.3f} "
        f"({row.low:+.3f} to {row.high:+.3f}) | {row.p:.3f} |"
        for name, row in comparison.differences.items()
    )
    return f"""# {one} against {other}

{comparison.images} images of {comparison.patients} patients that both answered;
{comparison.left_out} that one of them refused are left out. Each model decides by its own
threshold. Intervals and p are by bootstrap over patients, the same patients for both models in
every draw. DeLong's test of the AUROCs, which takes all images for independent: p =
{comparison.delong:.3f}.

| figure | {one} | {other} | difference (95 % interval) | p |
|---|---|---|---|---|
{rows}
"""


def _answered_by_both(evaluation: Evaluation, both: list[bool]) -> Scores:
    answered = [answer.probabilities is not None for answer in evaluation.answers]
    kept = [mine for mine, wanted in zip(both, answered, strict=True) if wanted]
    return evaluation.scores.take(np.flatnonzero(kept))


def _subtract(one: Scores, other: Scores) -> dict[str, float]:
    figures = measure(one), measure(other)
    return {name: figures[0][name] - figures[1][name] for name in COMPARED}


def _difference(one: float, other: float, drawn: list[float]) -> Difference:
    known: NDArray[np.float64] = np.array(drawn)[~np.isnan(drawn)]
    low, high = np.percentile(known, [2.5, 97.5])
    # the observed data count as one draw, so that p is never 0
    beyond = 1 + min((known <= 0).sum(), (known >= 0).sum())
    p = min(1.0, 2 * float(beyond) / (1 + len(known)))
    return Difference(one, other, float(low), float(high), p)
