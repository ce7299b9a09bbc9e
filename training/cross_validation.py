"""What the networks of all folds say of all images: a report over folds.

Scores of different networks are never pooled into one ranking: a figure is that of each fold,
averaged, with an interval by bootstrap over patients.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from service.inference.operating_point import Rate
from training.metrics import Scores, auroc, interval, measure
from training.validation import Validation

REPORT_FILE = "cross_validation.json"
PAGE_FILE = "cross_validation.md"
_SHOWN = ("auroc", "accuracy", "sensitivity", "specificity", "ece")


@dataclass(frozen=True)
class CrossValidation:
    """Figures over folds, of clean images and at a probability of 0.5.

    Attributes:
        images: how many there are in each fold.
        folds: the figures of each fold.
        mean: over folds.
        deviation: standard deviation over folds.
        auroc: the mean over folds with its 95 % interval by bootstrap over patients.
    """

    images: tuple[int, ...]
    folds: tuple[dict[str, float], ...]
    mean: dict[str, float]
    deviation: dict[str, float]
    auroc: Rate


def cross_validate(validation: Validation) -> CrossValidation:
    """Figures of the networks of all folds on the images that each of them held out."""
    folds = _folds(validation)
    probabilities = softmax(validation.logits[0].astype(np.float64), axis=1)
    images, figures = [], []
    for fold in np.unique(folds):
        rows = folds == fold
        scores = Scores(
            probabilities[rows],
            validation.truth[rows],
            validation.groups[rows],
            0.5,
            validation.labels,
        )
        images.append(int(rows.sum()))
        measured = measure(scores)
        figures.append({name: measured[name] for name in _SHOWN})
    columns = {name: [row[name] for row in figures] for name in _SHOWN}
    return CrossValidation(
        tuple(images),
        tuple(figures),
        {name: float(np.mean(values)) for name, values in columns.items()},
        {name: float(np.std(values, ddof=1)) for name, values in columns.items()},
        mean_auroc(validation),
    )


def mean_auroc(validation: Validation) -> Rate:
    """AUROC on clean images, the mean over folds, with its interval by bootstrap over patients."""
    folds = _folds(validation)
    y_true = validation.labels.is_positive(validation.truth)
    probabilities = softmax(validation.logits[0].astype(np.float64), axis=1)
    score = validation.labels.probability(probabilities)

    def over_folds(drawn: NDArray[np.int64]) -> float:
        parts = [drawn[folds[drawn] == fold] for fold in np.unique(folds)]
        each = [auroc(y_true[rows], score[rows]) for rows in parts]
        return float(np.mean([value for value in each if not np.isnan(value)] or [np.nan]))

    return interval(over_folds, validation.groups)


def write_cross_validation(validation: Validation, folder: Path) -> CrossValidation:
    """Write ``cross_validation.json`` and ``cross_validation.md`` into a run's folder."""
    found = cross_validate(validation)
    report = {
        "images": found.images,
        "folds": found.folds,
        "mean": found.mean,
        "deviation": found.deviation,
        "auroc": found.auroc.model_dump(),
    }
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n")
    (folder / PAGE_FILE).write_text(to_markdown(found, folder.name))
    return found


def to_markdown(found: CrossValidation, name: str) -> str:
    """The page ``cross_validation.md``."""
    rows = [
        (f"fold {number}", str(images), figures)
        for number, (images, figures) in enumerate(zip(found.images, found.folds, strict=True))
    ]
    rows += [
        ("mean", str(sum(found.images)), found.mean),
        ("standard deviation", "", found.deviation),
    ]
    table = "\n".join(
        f"| {title} | {images} | {' | '.join(_number(figures[one]) for one in _SHOWN)} |"
        for title, images, figures in rows
    )
    return f"""# Cross-validation of {name}

Every image is predicted by a network that was not trained on its patient. Accuracy, sensitivity and
specificity are at a probability of 0.5, before calibration. AUROC, mean over folds:
{found.auroc.value:.3f} ({found.auroc.low:.3f} to {found.auroc.high:.3f}, by bootstrap over
patients).

| | images | AUROC | accuracy | sensitivity | specificity | ECE |
|---|---|---|---|---|---|---|
{table}
"""


def _folds(validation: Validation) -> NDArray[np.int64]:
    if validation.folds is None:
        return np.zeros(len(validation.groups), np.int64)
    return validation.folds


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"
