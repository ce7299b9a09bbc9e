"""A trained network's logits for its validation images, clean and shifted, for the export.

Temperature and thresholds fitted on clean validation images would be overconfident elsewhere, so
the run keeps the logits under every named shift as well. Where a network was trained for each fold,
their validation images together are all images, each predicted by a network that never saw its
patient.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from service.imaging.radiograph import Pixels
from training.configuration import VALIDATION_FILE
from training.data import DataError, Dataset
from training.labels import CHILDREN, LabelSet
from training.progress import progress_bar
from training.shifts import SHIFTS, apply
from training.train import predict_logits

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
        conflicting: bool ``[N]``, images whose label an anatomy-free model gets wrong
            (``training.shortcuts``).
        images: uint8 ``[M, 224, 224, 1]``, some of the clean images, for parity checks.
        labels: of the last axis of the logits and targets.
        folds: int64 ``[N]``, equal for images that one network predicted; None where it was one.
    """

    shifts: tuple[str, ...]
    logits: NDArray[np.float32]
    targets: NDArray[np.float32]
    groups: NDArray[np.int64]
    sources: NDArray[np.str_]
    conflicting: NDArray[np.bool_]
    images: Pixels
    labels: LabelSet = CHILDREN
    folds: NDArray[np.int64] | None = None

    @property
    def truth(self) -> NDArray[np.int64]:
        """The reference label's column, int64 ``[N]``; -1 where only disease is known."""
        known = self.targets.max(axis=1) > 0.99
        return np.where(known, self.targets.argmax(axis=1), -1).astype(np.int64)

    def save(self, file: Path) -> None:
        """Write everything into one ``.npz`` file."""
        arrays = {name: value for name, value in vars(self).items() if name != "labels"}
        new = file.with_name(f"new-{file.name}")
        np.savez_compressed(
            new,
            **{name: value for name, value in arrays.items() if value is not None},
            labels=np.array(self.labels.names),
            negatives=self.labels.negatives,
            finding=self.labels.finding,
        )
        new.replace(file)  # so that an interrupt leaves no half of it

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what :meth:`save` wrote.

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
                # runs of before 2026-11-27 do not say
                kept.get("conflicting", np.zeros(len(kept["groups"]), bool)),
                kept["images"],
                _read_labels(kept),
                kept.get("folds"),
            )

    def of_source(self, source: str) -> Self:
        """The images of one data set."""
        rows = self.sources == source
        return replace(
            self,
            logits=self.logits[:, rows],
            targets=self.targets[rows],
            groups=self.groups[rows],
            sources=self.sources[rows],
            conflicting=self.conflicting[rows],
            folds=None if self.folds is None else self.folds[rows],
        )


def join(first: Validation, others: Sequence[Validation]) -> Validation:
    """The predictions of several networks, each for images that it did not learn from.

    Images that two of them held out count twice; those to look at are the first one's.

    Raises:
        DataError: they are of other labels or shifts.
    """
    for other in others:
        if (other.labels, other.shifts) != (first.labels, first.shifts):
            raise DataError("Runs of other labels or shifts cannot be calibrated together.")
    together = [first, *others]
    return replace(
        first,
        logits=np.concatenate([one.logits for one in together], axis=1),
        targets=np.concatenate([one.targets for one in together]),
        groups=np.concatenate([one.groups for one in together]),
        sources=np.concatenate([one.sources for one in together]),
        conflicting=np.concatenate([one.conflicting for one in together]),
        folds=np.repeat(np.arange(len(together)), [len(one.groups) for one in together]),
    )


def record(
    model: keras.Model, data: Dataset, folder: Path, conflicting: Collection[str] = ()
) -> None:
    """Predict the validation images under every shift and write the run's ``validation.npz``.

    Also writes ``validation.txt``, the names of the images, one a line.

    Args:
        model: the network.
        data: its validation images.
        folder: of the run.
        conflicting: names of the images whose label an anatomy-free model gets wrong.
    """
    rows = [predict_logits(model, data.images)]
    bar = progress_bar(len(SHIFTS), "shift")
    for number, shift in enumerate(SHIFTS, start=1):
        bar.update(number)
        rows.append(predict_logits(model, apply(shift, data.images)))
    shown = np.linspace(0, len(data) - 1, min(_SHOWN, len(data))).astype(int)
    Validation(
        shifts=(CLEAN, *(shift.name for shift in SHIFTS)),
        logits=np.stack(rows),
        targets=data.targets,
        groups=data.groups,
        sources=np.array([sample.root for sample in data.samples]),
        conflicting=np.array([sample.name in conflicting for sample in data.samples]),
        images=data.images[shown],
        labels=data.labels,
    ).save(folder / VALIDATION_FILE)
    names = sorted(sample.name for sample in data.samples)
    (folder / NAMES_FILE).write_text("\n".join(names) + "\n")


def _read_labels(kept: Mapping[str, NDArray[Any]]) -> LabelSet:
    if "labels" not in kept:  # runs of before 2026-11-27 are all about the children's labels
        return CHILDREN
    return LabelSet(tuple(kept["labels"].tolist()), int(kept["negatives"]), str(kept["finding"]))
