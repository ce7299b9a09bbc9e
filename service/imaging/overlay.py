"""The evidence map over the image, or alone."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.radiograph import WHOLE, Shares

# from violet over red to amber: readable for the colour-blind, never grey, and never so pale that
# they would be lost on bone
_STOPS = (0.0, 0.35, 0.7, 1.0)
_COLOURS = np.array([(60, 0, 90), (190, 30, 70), (250, 140, 20), (255, 205, 40)], float)
_PALETTE = (
    np.stack(
        [np.interp(np.linspace(0, 1, 256), _STOPS, channel) for channel in _COLOURS.T], axis=-1
    )
    .astype(np.uint8)
    .tobytes()
)
_BAND = 128  # rows


def overlay(
    image: Image.Image, evidence: NDArray[np.float32], alpha: float, content: Shares = WHOLE
) -> bytes:
    """Colour the places whose evidence speaks for pneumonia.

    Args:
        image: grey, mode L.
        evidence: float32 ``[h, w]`` in logits; positive speaks for, negative against. Scaled by its
            own largest value, so colours compare places in one image, not between images.
        alpha: opacity at the strongest place, 0..1; 0 gives the plain image.
        content: the part of the image that the evidence covers.

    Returns:
        PNG, RGB, of the same size.
    """
    strength = _strength(evidence, image.size, content)
    coloured = image.convert("RGB")
    for top in range(0, image.height, _BAND):  # so that only one whole image is held in colour
        place = (0, top, image.width, min(top + _BAND, image.height))
        band = strength.crop(place)
        coloured.paste(_coloured(band, "RGB"), place, _opacity(band, alpha))
    return _png(coloured)


def evidence_layer(
    size: tuple[int, int], evidence: NDArray[np.float32], alpha: float, content: Shares = WHOLE
) -> bytes:
    """The colours of :func:`overlay` alone, to be laid over the image elsewhere.

    Args:
        size: width and height of the image.
        evidence: as for :func:`overlay`.
        alpha: opacity at the strongest place, 0..1.
        content: as for :func:`overlay`.

    Returns:
        PNG, RGBA, of that size, transparent where nothing speaks for pneumonia.
    """
    strength = _strength(evidence, size, content)
    layer = _coloured(strength, "RGBA")
    layer.putalpha(_opacity(strength, alpha))
    return _png(layer)


def _strength(evidence: NDArray[np.float32], size: tuple[int, int], content: Shares) -> Image.Image:
    """How strongly each place speaks for pneumonia, 0..255, mode L."""
    positive = np.maximum(evidence, 0)
    strongest = float(positive.max())
    if strongest > 0:
        positive = positive / strongest
    levels = Image.fromarray(np.rint(positive * 255).astype(np.uint8))
    left, top, right, bottom = (
        round(part * side) for part, side in zip(content, size * 2, strict=True)
    )
    strength = Image.new("L", size)
    strength.paste(
        levels.resize((right - left, bottom - top), Image.Resampling.BICUBIC), (left, top)
    )
    return strength


def _coloured(strength: Image.Image, mode: str) -> Image.Image:
    indexed = strength.copy()
    indexed.putpalette(_PALETTE)
    return indexed.convert(mode)


def _opacity(strength: Image.Image, alpha: float) -> Image.Image:
    """How much of the colours is seen, mode L; weak evidence must not veil the X-ray."""
    levels = [round(alpha * 255 * (level / 255) ** 2) for level in range(256)]
    return strength.point(levels)


def _png(image: Image.Image) -> bytes:
    stream = BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
