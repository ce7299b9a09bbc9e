"""Why a run should not become a model file that somebody relies on."""

import numpy as np

from export.run import Run, RunError
from training.budgets import FEWEST_IMAGES
from training.cross_validation import mean_auroc


def objections(run: Run) -> tuple[str, ...]:
    """What speaks against exporting a run, each in a sentence; nothing where it is sound.

    Judged on the clean held-out images of the run's first data set, or on all of its images where
    a network was trained for each fold.

    Raises:
        RunError: no file can be made at all: a class is missing, or the network's outputs are not
            finite.
    """
    validation = run.calibration.of_source(run.source)
    labels, truth, logits = validation.labels, validation.truth, validation.logits
    if not np.isfinite(logits).all():
        raise RunError(
            "The network's outputs are not finite. Train again with a lower --rate; nothing is "
            "written."
        )
    is_disease = labels.is_positive(truth)
    if is_disease.all() or not is_disease.any():
        side = labels.finding if is_disease.any() else " or ".join(labels.names[: labels.negatives])
        raise RunError(
            f"All {len(truth)} held-out images of {run.source} are {side}: nothing can be "
            "calibrated. Train with images of both."
        )
    found = []
    counts = {labels.finding: int(is_disease.sum())}
    counts |= {label: int((truth == column).sum()) for column, label in enumerate(labels.names)}
    for label, count in counts.items():
        if count < FEWEST_IMAGES:
            found.append(
                f"Only {count} held-out images are {label}; thresholds and calibration need at "
                f"least {FEWEST_IMAGES}."
            )
    measured = mean_auroc(validation)
    if measured.low <= 0.5:
        found.append(
            f"The AUROC on held-out images is {measured.value:.3f}, and its interval "
            f"({measured.low:.3f} to {measured.high:.3f}) includes 0.5: the network may know "
            "nothing."
        )
    return tuple(found)
