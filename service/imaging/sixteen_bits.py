"""Samples of 16 bits to 8, by the range that the image uses rather than the one it declares."""

import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from service.imaging.radiograph import PredictionWarning

Samples: TypeAlias = NDArray[np.uint16]

# Of 16-bit colour Pillow keeps one byte a sample, the high one. With the byte order exchanged it
# keeps the low one, so that two passes give the whole sample.
_LOW_BYTES = {
    "16B": "16L",
    "16L": "16B",
    "16N": "16B" if sys.byteorder == "little" else "16L",
}
# Grey and alpha of a PNG are four bytes a pixel, which can be read as four samples at once.
_GREY_AND_ALPHA, _FOUR_BYTES = "LA;16B", "RGBA"
_OPAQUE = frozenset(("RGB", "RGBX", "RGBa"))  # the last is black already where it is transparent
_ROWS_AT_ONCE = 256

# weights of red, green and blue in 1/65536 (ITU-R BT.601), as Pillow has them
_LUMINANCE = np.array([19595, 38470, 7471], np.uint32)


def is_colour(image: ImageFile.ImageFile) -> bool:
    """Whether an opened, not yet loaded image has several samples of 16 bits a pixel."""
    return image.mode in ("RGB", "RGBA") and ";16" in _raw_mode(image)


def read_colour(
    image: ImageFile.ImageFile, reopen: Callable[[], ImageFile.ImageFile], opaque: bool = False
) -> Samples:
    """The luminance of 16-bit colour; transparent parts are black, as outside the field.

    Args:
        image: opened, not yet loaded, for which :func:`is_colour` holds; it is loaded.
        reopen: opens the same image again.
        opaque: whether a fourth band is something else than alpha.

    Returns:
        uint16 ``[height, width]``.
    """
    kept, _, order = _raw_mode(image).partition(";")
    with reopen() as second:
        if kept == "LA":
            _set_raw_mode(image, _FOUR_BYTES)
        else:
            _set_raw_mode(second, f"{kept};{_LOW_BYTES[order]}")
            second.load()
        image.load()
        grey = np.empty((image.height, image.width), np.uint16)
        for top, box in strips(image):
            high = np.asarray(image.crop(box))
            if kept == "LA":
                samples = _join(high[..., 0::2], high[..., 1::2])
                rows = samples[..., 0]
            else:
                samples = _join(high, np.asarray(second.crop(box)))
                rows = (samples[..., :3] @ _LUMINANCE + np.uint32(0x8000)) // np.uint32(0x10000)
            if kept not in _OPAQUE and not opaque:
                rows = rows * samples[..., -1] // np.uint32(0xFFFF)
            grey[top : top + len(rows)] = rows
    return grey


def to_8_bits(
    samples: Samples, inverted: bool = False
) -> tuple[Image.Image, tuple[PredictionWarning, ...]]:
    """Grey of 8 bits, with 2^n - 1 as white for the smallest n >= 8 that holds all samples.

    Detectors give 10 to 15 bits and many tools store those unscaled in 16; dividing by 65535 would
    turn such an image nearly black. The range is a power of two, not the brightest pixel, so that
    a copy with other contrast stays another image.

    Args:
        samples: uint16 ``[height, width]``.
        inverted: whether 0 is white.
    """
    bits = max(8, int(samples.max()).bit_length())
    factor = np.float32(255 / ((1 << bits) - 1))
    scaled = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        scaled[rows] = np.rint(samples[rows] * factor)
    if inverted:
        np.subtract(255, scaled, out=scaled)
    grey = Image.fromarray(scaled)
    if bits == 16:
        return grey, ()
    sentence = (
        f"The 16-bit samples use no more than {bits} bits, so {bits} bits were taken as white."
    )
    return grey, (PredictionWarning("assumed_bit_depth", sentence),)


def _join(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint32]:
    return high * np.uint32(256) + low


def strips(image: Image.Image) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """The image in parts, so that a large one does not take several times its size in memory.

    Yields:
        The first row, and the box as Pillow's ``crop`` takes it.
    """
    for top in range(0, image.height, _ROWS_AT_ONCE):
        yield top, (0, top, image.width, min(image.height, top + _ROWS_AT_ONCE))


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """How the samples lie in the file, in Pillow's notation; empty where it decodes in one go."""
    arguments = image.tile[0].args if image.tile else None
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return str(arguments[0])


def _set_raw_mode(image: ImageFile.ImageFile, mode: str) -> None:
    image.tile = [
        tile._replace(args=mode if isinstance(tile.args, str) else (mode, *(tile.args or ())[1:]))
        for tile in image.tile
    ]
