"""Pixels to model input: one resize, nothing else. All scaling of values is in the model file."""

from bisect import bisect_left
from itertools import accumulate
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from service.imaging.radiograph import Pixels, PredictionWarning, Radiograph

Resampling: TypeAlias = Literal["bilinear", "bicubic", "box", "lanczos"]

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}

# Decoders that scale while decoding stop at this multiple of the input size: the resize that
# follows then still averages, so the result hardly depends on the decoder's own filter.
DECODE_MARGIN = 4


# Chest X-rays use more than half of the range when this part of the pixels is left out at each end;
# an image shown at half its brightness uses less.
_TAIL = 0.005
_NARROW = 0.5


def to_model_input(
    image: Image.Image, height: int, width: int, resampling: Resampling = "bilinear"
) -> Pixels:
    """Squash a grey image to the model's size.

    The aspect is not kept: the model was trained on squashed images, and padding would tell it the
    original shape. Reducing averages over the whole source area (no aliasing).

    Args:
        image: grey, 8 bits (mode ``L``).
        height: rows of the model's input.
        width: columns of the model's input.
        resampling: Pillow's filter.

    Returns:
        uint8 ``[height, width, 1]``.
    """
    if image.size != (width, height):
        image = image.resize((width, height), _FILTERS[resampling])
    return np.asarray(image)[..., np.newaxis]


def size_warnings(radiograph: Radiograph, height: int, width: int) -> tuple[PredictionWarning, ...]:
    """What a reader should know about the size of the original."""
    if radiograph.width >= width and radiograph.height >= height:
        return ()
    sentence = (
        f"The image has {radiograph.width} x {radiograph.height} pixels and was enlarged to the "
        f"model's {width} x {height}. Send the original if there is a larger one."
    )
    return (PredictionWarning("upscaled", sentence),)


def range_warnings(image: Image.Image) -> tuple[PredictionWarning, ...]:
    """What a reader should know where an image uses little of the range from black to white.

    Whatever the file's format, this is how an image looks whose declared range is far above its
    values, or that was exported with a wrong window.

    Args:
        image: the model's input, grey, 8 bits (mode ``L``).
    """
    # by Pillow, since each call into numpy may have to wait for the interpreter's lock again
    reached = list(accumulate(image.histogram()))
    low, high = (bisect_left(reached, part * reached[-1]) for part in (_TAIL, 1 - _TAIL))
    share = (high - low) / 255
    if share >= _NARROW:
        return ()
    sentence = (
        f"The image uses only {share:.0%} of the range from black to white, so it may be far too "
        "dark, too bright or too flat. Look at it, and send the original if it was converted."
    )
    return (PredictionWarning("narrow_grey_range", sentence),)
