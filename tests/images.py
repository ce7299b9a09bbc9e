"""Made images; the tiny model calls bright ones pneumonia and dark ones normal."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def image_bytes(
    grey: int = 160, size: tuple[int, int] = (320, 256), kind: str = "JPEG", **options: Any
) -> bytes:
    """An encoded image of one grey with a slight ramp, and edges of black and white.

    Args:
        grey: the mean, where that leaves room for the ramp, 0..255.
        size: columns and rows.
        kind: Pillow's name of the file format.
        options: for Pillow's ``save``.
    """
    width, height = size
    ramp = np.linspace(grey - 16, grey + 16, width).round().clip(0, 255).astype(np.uint8)
    if 32 <= grey <= 223:  # edges so wide that all of the grey range is used and the mean stays
        edge = max(1, width // 20)
        black = max(1, round(edge * min(1, (255 - grey) / grey)))
        white = max(1, round(edge * min(1, grey / (255 - grey))))
        ramp[:black], ramp[-white:] = 0, 255
    return encode(Image.fromarray(np.broadcast_to(ramp, (height, width))), kind, **options)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A Pillow image as a file."""
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
