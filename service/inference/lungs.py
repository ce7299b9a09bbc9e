"""Whether two lungs lie side by side in an image, and how much of the evidence lies outside them.

A frontal chest X-ray shows two lungs with the heart and the spine between them. From the side they
lie over each other, and an image cut in half has one: both are chests to a network that looks at
texture, which is why the shape of the lungs has its own rule.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import SuspectedCause
from service.inference.contract import LungRule

LUNG = 0.5  # probability from which a pixel counts as lung
TAIL = 0.005  # of the lungs' pixels, left out on each side of their extent
_MIDDLE = (0.25, 0.75)  # of the extent, where the gap between two lungs is looked for
_EDGE = 0.3  # share of the extent's height along an image's side that means a lung is cut off


@dataclass(frozen=True)
class LungShape:
    """What an image's lungs look like.

    Attributes:
        area: share of the image that is lung, 0..1.
        separation: how much narrower the lungs are in the column between them than in the fuller
            column on the emptier side: 1 two lungs apart, 0 one field without a gap.
        cut_off: whether lung runs along the left or right side of the image.
    """

    area: float
    separation: float
    cut_off: bool


def measure(mask: NDArray[np.float32]) -> LungShape:
    """Describe the lungs of one image.

    Args:
        mask: float32 ``[h, w]``, the probability of lung, 0..1.
    """
    lung = mask >= LUNG
    columns = lung.sum(axis=0)
    if not columns.any():
        return LungShape(0.0, 0.0, False)
    left, right = _extent(columns)
    top, bottom = _extent(lung.sum(axis=1))
    smooth = np.convolve(np.pad(columns, 1, "edge"), np.full(3, 1 / 3), "valid")
    width = right - left
    start = left + round(_MIDDLE[0] * width)
    end = max(start + 1, left + round(_MIDDLE[1] * width))
    gap = start + int(smooth[start:end].argmin())
    lower_peak = min(smooth[: gap + 1].max(), smooth[gap:].max())
    along_sides = max(lung[:, 0].sum(), lung[:, -1].sum())
    return LungShape(
        area=float(lung.mean()),
        separation=float(1 - smooth[gap] / lower_peak),
        cut_off=bool(along_sides > _EDGE * (bottom - top)),
    )


def find_fault(shape: LungShape, rule: LungRule) -> SuspectedCause | None:
    """What keeps an image from being a frontal chest X-ray with both lungs; None where it is one.

    Args:
        shape: of :func:`measure`.
        rule: the limits, fitted on frontal chest X-rays.
    """
    if shape.area < rule.least_area:
        return "no_lungs"
    if shape.separation >= rule.least_separation:
        return None
    return "lungs_cut_off" if shape.cut_off else "not_frontal"


def evidence_outside(evidence: NDArray[np.float32], box: NDArray[np.float32]) -> float | None:
    """The share of the evidence for pneumonia that lies outside the lungs' box.

    The box, not the mask: a consolidated lung is not lung to a localiser, and evidence there is
    where it should be.

    Args:
        evidence: float32 ``[h, w]``; positive parts speak for pneumonia.
        box: float32 ``[4]``: left, top, right, bottom as shares of the image.

    Returns:
        0..1; None where nothing speaks for pneumonia.
    """
    positive = np.maximum(evidence, 0)
    if not positive.any():
        return None
    height, width = evidence.shape
    inside = np.outer(_overlap(height, box[1], box[3]), _overlap(width, box[0], box[2]))
    return float(1 - (positive * inside).sum() / positive.sum())


def _extent(profile: NDArray[np.int64]) -> tuple[int, int]:
    """First row or column of the lungs and the one behind the last, but for the tails."""
    running = np.cumsum(profile) / profile.sum()
    return int((running < TAIL).sum()), int((running < 1 - TAIL).sum()) + 1


def _overlap(cells: int, start: float, end: float) -> NDArray[np.float64]:
    """The share of each of some equal cells over 0..1 that lies between two places."""
    edges = np.linspace(0, 1, cells + 1)
    length = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
    shares: NDArray[np.float64] = np.clip(length * cells, 0, 1)
    return shares
