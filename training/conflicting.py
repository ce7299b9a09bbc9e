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
        data: the same files, in the same order.
        folder: of the report.

    Raises:
        DataError: a class has fewer than ``FOLDS`` patients.
    """
    data = answered(evaluation, data)
    positive = data.is_pneumonia
    fewest = min(len(np.unique(data.groups[side])) for side in (positive, ~positive))
    if fewest < FOLDS:
        raise DataError(f"Looking for conflicting images needs {FOLDS} patients of each class.")
    misleading = np.isin(np.arange(len(data)), find_conflicting(data))
    scores = replace(evaluation.scores, patients=data.groups)
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


def answered(evaluation: Evaluation, data: Dataset) -> Dataset:
    """The images that the model answered, in the order of the evaluation's scores.

    Both read the same files in the same order and leave out what cannot be read; names do not
    tell images apart, since every class may have its ``1.png``.

    Args:
        evaluation: of the images.
        data: the same files, in the same order.

    Raises:
        DataError: they are not the same.
    """
    files = [sample.path.name for sample in data.samples]
    if files != [answer.file for answer in evaluation.answers]:
        raise DataError("The images are not those of the evaluation, in its order.")
    known = [answer.probabilities is not None for answer in evaluation.answers]
    return data.take(np.flatnonzero(known))


def _figures(scores: Scores) -> dict[str, dict[str, float]]:
    if scores.y_true.all() or not scores.y_true.any():
        return {}
    return {name: rate.model_dump() for name, rate in measure_with_intervals(scores).items()}
