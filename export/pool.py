"""The images that a calibration is fitted on and measured with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.conflicting import repeats
from training.labels import CHILDREN, LabelSet
from training.validation import Validation


@dataclass(frozen=True)
class Pool:
    """Logits and reference labels of the images that a calibration is fitted on.

    Attributes:
        logits: float64 ``[M, C]``, one for each label.
        truth: int64 ``[M]``, the reference label's column; -1 where only disease is known.
        patients: int64 ``[M]``.
        labels: of the columns.
        repeated: bool ``[M]``, conflicting images after the first time; None for none.
    """

    logits: NDArray[np.float64]
    truth: NDArray[np.int64]
    patients: NDArray[np.int64]
    labels: LabelSet = CHILDREN
    repeated: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, validation: Validation, source: str) -> "Pool":
        """Validation images of one source over all shifts, the clean ones included.

        Conflicting images are repeated until they are ``SHARE`` of each side: elsewhere the
        device tells less of the label, and a scaling that was fitted where it tells nearly all is
        too sure of itself.
        """
        rows = np.flatnonzero((validation.sources == source) & (validation.truth >= 0))
        positive = validation.labels.is_positive(validation.truth[rows])
        rows = np.repeat(rows, repeats(validation.conflicting[rows], positive))
        again = np.diff(rows, prepend=-1) == 0
        logits = validation.logits[:, rows].astype(np.float64)
        copies = logits.shape[0]
        return cls(
            logits.reshape(-1, logits.shape[2]),
            np.tile(validation.truth[rows], copies),
            np.tile(validation.groups[rows], copies),
            validation.labels,
            np.tile(again, copies),
        )

    @property
    def once(self) -> NDArray[np.bool_]:
        """Every image the first time only, bool ``[M]``."""
        return np.ones(len(self.truth), bool) if self.repeated is None else ~self.repeated

    @property
    def y_true(self) -> NDArray[np.bool_]:
        """Whether the reference is disease, bool ``[M]``."""
        return self.labels.is_positive(self.truth)

    @property
    def sides(self) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """Logits and labels of the images without and with disease, where these have several."""
        ours = (slice(0, self.labels.negatives), slice(self.labels.negatives, len(self.labels)))
        rows = (~self.y_true, self.truth >= self.labels.negatives)
        return [
            (self.logits[row, columns], self.truth[row] - columns.start)
            for row, columns in zip(rows, ours, strict=True)
            if len(np.unique(self.truth[row])) > 1
        ]
