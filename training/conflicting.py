"""The figures of a model where the device misleads, beside those of all images.

Held-out images of the hospital that a model was trained in share its devices, and where the device
tells the label they promise too much. An anatomy-free model (:mod:`training.shortcuts`), fitted on
the evaluated images themselves, says by how much.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.data import DataError, Dataset
from training.evaluate import Evaluation
from training.metrics import Scores, measure_with_intervals
from training.shortcuts import FOLDS, Booleans, Integers, find_conflicting

REPORT_FILE = "conflicting.json"
# the share of images that the anatomy-free model gets wrong where its AUROC is .85, as on other
# devices of the training hospital (docs/yardstick.md)
SHARE = 0.2


def write_conflicting(evaluation: Evaluation, data: Dataset, folder: Path) -> None:
    """Write ``conflicting.json``, the figures on the conflicting images alone and on all with these
    repeated to a fifth of each side.

    Args:
        evaluation: of the images.
        data: the same images.
        folder: of the report.

    Raises:
        DataError: a class has fewer than ``FOLDS`` patients.
    """
    answered = {answer.file for answer in evaluation.answers if answer.probabilities is not None}
    rows = [row for row, sample in enumerate(data.samples) if sample.path.name in answered]
    data = data.take(np.array(rows, np.int64))
    positive = data.is_pneumonia
    fewest = min(len(np.unique(data.groups[side])) for side in (positive, ~positive))
    if fewest < FOLDS:
        raise DataError(f"Looking for conflicting images needs {FOLDS} patients of each class.")
    misleading = np.isin(np.arange(len(data)), find_conflicting(data))
    scores = _in_order(evaluation, data)
    report = {
        "images": len(data),
        "conflicting": {
            "positive": int((misleading & positive).sum()),
            "negative": int((misleading & ~positive).sum()),
        },
        "figures": {
            "conflicting": _figures(scores.take(np.flatnonzero(misleading))),
            f"{SHARE:.0%} conflicting": _figures(
                scores.take(np.repeat(np.arange(len(data)), repeats(misleading, positive)))
            ),
        },
    }
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n")


def repeats(misleading: Booleans, positive: Booleans) -> Integers:
    """How often each image counts so that ``SHARE`` of each side are conflicting, int ``[N]``.

    Args:
        misleading: bool ``[N]``, the conflicting images.
        positive: bool ``[N]``, the label.
    """
    times = np.ones(len(misleading), np.int64)
    for side in (positive, ~positive):
        few, others = np.count_nonzero(side & misleading), np.count_nonzero(side & ~misleading)
        if few:
            times[side & misleading] = max(1, round(SHARE / (1 - SHARE) * others / few))
    return times


def _in_order(evaluation: Evaluation, data: Dataset) -> Scores:
    """The scores in the order of the images, with their patients."""
    answered = [one.file for one in evaluation.answers if one.probabilities is not None]
    place = {file: row for row, file in enumerate(answered)}
    rows = np.array([place[sample.path.name] for sample in data.samples], np.int64)
    return replace(evaluation.scores.take(rows), patients=data.groups)


def _figures(scores: Scores) -> dict[str, dict[str, float]]:
    if scores.y_true.all() or not scores.y_true.any():
        return {}
    return {name: rate.model_dump() for name, rate in measure_with_intervals(scores).items()}
