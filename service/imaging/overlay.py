"""The evidence map over the picture."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.radiograph import Pixels

# black-body colours from transparent to bright: readable for the colour-blind, and never grey
_STOPS = np.array([0.0, 0.35, 0.7, 1.0])
_COLOURS = np.array([(60, 0, 90), (190, 30, 70), (250, 140, 20), (255, 240, 130)], float)


def overlay(pixels: Pixels, evidence: NDArray[np.float32], alpha: float) -> bytes:
    """Colour the places whose evidence speaks for pneumonia.

    Args:
        pixels: uint8 ``[height, width]``.
        evidence: float32 ``[h, w]`` in logits; positive speaks for, negative against. Scaled by its
            own largest value, so colours compare places in one picture, not pictures.
        alpha: opacity at the strongest place, 0..1.

    Returns:
        PNG, RGB, ``height`` x ``width``.
    """
    height, width = pixels.shape
    positive = np.maximum(evidence, 0)
    strongest = float(positive.max())
    if strongest > 0:
        positive = positive / strongest
    smooth = Image.fromarray(positive.astype(np.float32)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    strength = np.clip(np.asarray(smooth), 0, 1)
    colour = np.stack(
        [np.interp(strength, _STOPS, channel) for channel in _COLOURS.T], axis=-1
    ).astype(np.float32)
    opacity = (alpha * strength)[..., np.newaxis]
    grey = pixels[..., np.newaxis].astype(np.float32)
    blended = grey * (1 - opacity) + colour * opacity
    stream = BytesIO()
    Image.fromarray(np.rint(blended).astype(np.uint8)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
