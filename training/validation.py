"""A trained network's logits for its validation images, clean and shifted, for the export.

Temperature and thresholds fitted on clean validation images would be overconfident elsewhere, so
the run keeps the logits under every named shift as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from service.imaging.radiograph import Pixels
from training.data import Dataset
from training.labels import CHILDREN, LabelSet
from training.shifts import SHIFTS, apply
from training.train import predict_logits

VALIDATION_FILE = "validation.npz"
NAMES_FILE = "validation.txt"
CLEAN = "clean"
_SHOWN = 64


@dataclass(frozen=True)
class Validation:
    """Logits of validation images under shifts, as a run folder keeps them.

    Attributes:
        shifts: names, the first being ``clean``.
        logits: float32 ``[shifts, N, C]``, uncalibrated.
        targets: float32 ``[N, C]``.
        groups: int64 ``[N]``, equal for images of one patient.
        sources: ``[N]``, name of the data set each image comes from.
        images: uint8 ``[M, 224, 224, 1]``, some of the clean images, for parity checks.
        labels: of the last axis of the logits and targets.
    """

    shifts: tuple[str, ...]
    logits: NDArray[np.float32]
    targets: NDArray[np.float32]
    groups: NDArray[np.int64]
    sources: NDArray[np.str_]
    images: Pixels
    labels: LabelSet = CHILDREN

    @property
    def truth(self) -> NDArray[np.int64]:
        """The reference label's column, int64 ``[N]``; -1 where only disease is known."""
        known = self.targets.max(axis=1) > 0.99
        return np.where(known, self.targets.argmax(axis=1), -1).astype(np.int64)

    @classmethod
    def load(cls, file: Path) -> "Validation":
        """Read what :func:`record` wrote.

        Raises:
            OSError: there is no such file.
        """
        with np.load(file) as kept:
            return cls(
                tuple(kept["shifts"].tolist()),
                kept["logits"],
                kept["targets"],
                kept["groups"],
                kept["sources"],
                kept["images"],
                _read_labels(kept),
            )


def record(model: keras.Model, data: Dataset, folder: Path) -> None:
    """Predict the validation images under every shift and write the run's ``validation.npz``.

    Also writes ``validation.txt``, the names of the images, one a line.
    """
    rows = [predict_logits(model, data.images)]
    bar = keras.utils.Progbar(len(SHIFTS), unit_name="shift")
    for number, shift in enumerate(SHIFTS, start=1):
        bar.update(number)
        rows.append(predict_logits(model, apply(shift, data.images)))
    shown = np.linspace(0, len(data) - 1, min(_SHOWN, len(data))).astype(int)
    np.savez_compressed(
        folder / VALIDATION_FILE,
        shifts=np.array([CLEAN, *(shift.name for shift in SHIFTS)]),
        logits=np.stack(rows),
        targets=data.targets,
        groups=data.groups,
        sources=np.array([sample.root for sample in data.samples]),
        images=data.images[shown],
        labels=np.array(data.labels.names),
        negatives=data.labels.negatives,
        finding=data.labels.finding,
    )
    names = sorted(sample.name for sample in data.samples)
    (folder / NAMES_FILE).write_text("\n".join(names) + "\n")


def _read_labels(kept: Mapping[str, NDArray[Any]]) -> LabelSet:
    if "labels" not in kept:  # runs of before 2026-11-27 are all about the children's labels
        return CHILDREN
    return LabelSet(tuple(kept["labels"].tolist()), int(kept["negatives"]), str(kept["finding"]))
