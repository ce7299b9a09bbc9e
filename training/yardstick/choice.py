"""Which of two candidates is the better one, by the rule of docs/yardstick.md."""

from collections.abc import Sequence

import numpy as np

from training.shortcuts import Floats
from training.yardstick.statistics import Interval

WEIGHTS = {
    "conflicting": 3.0,
    "tuberculosis": 2.0,
    "healthy_adults": 2.0,
    "blocked": 2.0,
    "unseen": 2.0,
    "clean": 1.0,
}


def score(figures: dict[str, Floats], ranked: Sequence[str]) -> Floats:
    """The weighted mean of these figures, float64 ``[1 + DRAWS]``."""
    mean: Floats = np.average(
        [figures[name] for name in ranked], axis=0, weights=[WEIGHTS[name] for name in ranked]
    )
    return mean


def compare(first: dict[str, Floats], second: dict[str, Floats]) -> dict[str, Interval]:
    """How much higher each figure that both have is in the first, and ``score``, of those ranked.

    Where the interval of ``score`` holds zero the two cannot be told apart, and the simpler is
    taken.

    Args:
        first: of one candidate, by :func:`training.yardstick.figures.measure`.
        second: of another, on the same images and folds.
    """
    shared = [name for name in first if name in second]
    differences = {name: first[name] - second[name] for name in shared}
    ranked = [name for name in WEIGHTS if name in shared]
    differences["score"] = score(first, ranked) - score(second, ranked)
    return {name: Interval.of(drawn) for name, drawn in differences.items()}
