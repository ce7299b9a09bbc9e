"""Where the evidence for pneumonia lies: the graph's maps, in one, over the image."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.overlay import evidence_layer, overlay
from service.imaging.radiograph import Shares
from service.inference.contract import Contract

Layer: TypeAlias = Literal["overlay", "evidence"]

# the longest side of an image with evidence: more shows nothing more of a coarse map
DISPLAY_SIDE = 1536


def pneumonia_evidence(contract: Contract, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """The maps of all pneumonia labels in one, float32 ``[N, C, h, w]`` to ``[N, h, w]``.

    It is the sum of the uncalibrated logits' maps over the pneumonia labels, each first taken
    relative to the mean over the other labels' maps. For one label this is exact (the map's mean
    plus a bias is the logit); for the sum of several it is a summary, since probabilities do not
    add up in logits.
    """
    ours = list(contract.pneumonia_columns)
    others = np.delete(maps, ours, axis=1).mean(axis=1, keepdims=True)
    summed: NDArray[np.float32] = (maps[:, ours] - others).sum(axis=1)
    return summed


def draw_evidence(
    image: Image.Image,
    evidence: NDArray[np.float32],
    alpha: float,
    layer: Layer,
    content: Shares,
) -> bytes:
    """The evidence over the image, or alone at its size.

    Args:
        image: grey, mode ``L``; reduced where a side is above ``DISPLAY_SIDE``.
        evidence: float32 ``[h, w]``; its positive parts are coloured.
        alpha: opacity of the evidence, 0..1.
        layer: ``overlay`` or ``evidence``.
        content: where in the image the evidence lies; what is beside it has none.

    Returns:
        PNG, RGB for ``overlay``, RGBA for ``evidence``.
    """
    scale = max(image.size) / DISPLAY_SIDE
    if scale > 1:
        width, height = (max(1, round(side / scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    if layer == "evidence":
        return evidence_layer(image.size, evidence, alpha, content)
    return overlay(image, evidence, alpha, content)
