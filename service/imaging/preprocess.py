"""Pixels to model input: reduced, plain borders cut off, resized; the file scales the values."""

from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from typing import Literal, TypeAlias, cast

import numpy as np
from PIL import Image

from service.imaging.radiograph import WHOLE, Pixels, PredictionWarning, Radiograph, Shares

Box: TypeAlias = tuple[int, int, int, int]
Resampling: TypeAlias = Literal["bilinear", "bicubic", "box", "lanczos"]

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}

# Training keeps its images at so many pixels a side. The service reduces every image to as many
# first, so that it sees an original as the network learnt to, and as it sees a reduced copy of it.
COPY_SIZE = 224

# Decoders that scale while decoding stop at this multiple of that size: the resize that follows
# then still averages, so the result hardly depends on the decoder's own filter. What more would
# cost and less would change: `make bench-drift`.
DECODE_MARGIN = 2.5


# Chest X-rays use more than half of the range when this part of the pixels is left out at each end;
# an image shown at half its brightness uses less.
_TAIL = 0.005
_NARROW = 0.5

# Grey levels that a border's rows and columns may span: compression leaves a few.
_PLAIN = 8


def decoded_side(height: int, width: int, margin: float = DECODE_MARGIN) -> int:
    """The fewest pixels a side to which a decoder may scale an image for a model of this input."""
    return round(margin * max(COPY_SIZE, height, width))


def to_model_input(
    image: Image.Image, height: int, width: int, resampling: Resampling = "bilinear"
) -> Pixels:
    """The pixels that :func:`fit` gives.

    Returns:
        uint8 ``[height, width, 1]``.
    """
    return fit(image, height, width, resampling)[0]


def fit(
    image: Image.Image, height: int, width: int, resampling: Resampling = "bilinear"
) -> tuple[Pixels, Shares]:
    """Reduce to the size of the training images, cut off plain borders, squash to the model's size.

    Bars beside the chest differ between devices, archives and viewers and say nothing of the lungs.

    Args:
        image: grey, 8 bits (mode ``L``).
        height: rows of the model's input.
        width: columns of the model's input.
        resampling: Pillow's filter.

    Returns:
        uint8 ``[height, width, 1]``, and the left, top, right and bottom of what it shows as shares
        of the image.
    """
    rows, columns = max(COPY_SIZE, height), max(COPY_SIZE, width)
    seen = _resize(image, rows, columns, resampling)
    left, top, right, bottom = content_box(seen)
    if right - left < width or bottom - top < height:
        # wide borders leave too little of the reduced image
        seen = image
        left, top, right, bottom = content_box(seen)
    part = seen.crop((left, top, right, bottom))
    content = left / seen.width, top / seen.height, right / seen.width, bottom / seen.height
    return squash(part, height, width, resampling), content


def squash(
    image: Image.Image, height: int, width: int, resampling: Resampling = "bilinear"
) -> Pixels:
    """Resize a grey image, with its borders.

    The aspect is not kept: the model was trained on squashed images, and padding would tell it the
    original shape. Reducing averages over the whole source area (no aliasing).

    Args:
        image: as :func:`fit`, like the other arguments.

    Returns:
        uint8 ``[height, width, 1]``.
    """
    return np.asarray(_resize(image, height, width, resampling))[..., np.newaxis]


def _resize(image: Image.Image, height: int, width: int, resampling: Resampling) -> Image.Image:
    if image.size == (width, height):
        return image
    return image.resize((width, height), _FILTERS[resampling])


def content_box(image: Image.Image) -> Box:
    """What plain borders leave of an image.

    A border is made of whole rows or columns in which all pixels have nearly the same grey,
    whichever it is: bars of a viewer or an archive, collimation painted black, a white page.

    Args:
        image: grey, 8 bits (mode ``L``).

    Returns:
        Left, top, right and bottom in pixels; the whole height or width where all rows or columns
        are plain.
    """
    width, height = image.size
    # rows first: their pixels lie side by side, so that the columns, which take longer, are shorter
    rows = _ends(height, lambda y: _is_plain(image, (0, y, width, y + 1)))
    if rows is None:
        return 0, 0, width, height
    top, bottom = rows
    columns = _ends(width, lambda x: _is_plain(image, (x, top, x + 1, bottom)))
    left, right = columns or (0, width)
    return left, top, right, bottom


def _is_plain(image: Image.Image, box: Box) -> bool:
    low, high = cast("tuple[int, int]", image.crop(box).getextrema())
    return high - low <= _PLAIN


def _ends(count: int, is_plain: Callable[[int], bool]) -> tuple[int, int] | None:
    """The first row or column that is not plain and the one behind the last; None where all are."""
    first = next((place for place in range(count) if not is_plain(place)), None)
    if first is None:
        return None
    return first, next(place for place in range(count, first, -1) if not is_plain(place - 1))


def size_warnings(radiograph: Radiograph, height: int, width: int) -> tuple[PredictionWarning, ...]:
    """What a reader should know about the size of the original, without its plain borders."""
    left, top, right, bottom = radiograph.content
    columns = round((right - left) * radiograph.width)
    rows = round((bottom - top) * radiograph.height)
    if columns >= width and rows >= height:
        return ()
    cut = "" if radiograph.content == WHOLE else " without its plain borders"
    sentence = (
        f"The image has {columns} x {rows} pixels{cut} and was enlarged to the model's "
        f"{width} x {height}. Send the original if there is a larger one."
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
