"""Stored values to the grey that a radiologist sees: modality LUT, VOI LUT or window, inversion.

The order is the standard's (PS3.3 sections C.7.6.3, C.11.1, C.11.2 and PS3.4 annex N.2). Each step
is a function of the stored value alone, so the steps are worked out once for all 256 to 65536
values, in double precision, and the picture itself is one table lookup.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.errors import NotAChestXray, UndecodableImage
from service.imaging.dicom_elements import Elements
from service.imaging.dicom_reader import first_item
from service.imaging.dicom_samples import Layout, Samples
from service.imaging.dicom_tags import Tag
from service.imaging.radiograph import Pixels, PredictionWarning

Values: TypeAlias = NDArray[np.float64]

# Where the file says nothing of its window, this part of the pixels is left out at each end.
_TAIL = 0.005
# a window narrower than this is a step
_NARROWEST = 1e-9
# samples that are looked up at once; numpy widens them to eight bytes each
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class _Lut:
    """A lookup table of the file (PS3.3 section C.11.1.1.1).

    Attributes:
        entries: what comes out, float64 ``[n]``.
        first: the value that the first entry stands for.
        white: the largest value that its number of bits can hold.
    """

    entries: Values
    first: int
    white: int

    def apply(self, values: Values) -> Values:
        """Look up; values before the first or behind the last entry take that entry."""
        places = np.clip(np.rint(values) - self.first, 0, self.entries.size - 1)
        found: Values = self.entries[places.astype(np.intp)]
        return found


def to_grey(
    elements: Elements, layout: Layout, samples: Samples
) -> tuple[Pixels, tuple[PredictionWarning, ...]]:
    """Show the stored samples.

    Args:
        elements: the data set.
        layout: what a sample is.
        samples: uint8 or uint16 ``[h, w]``, see :func:`service.imaging.dicom_samples.read_samples`.

    Returns:
        uint8 ``[h, w]``, 0 black (air) .. 255 white (bone), and what had to be assumed.

    Raises:
        UndecodableImage: a broken table, or numbers that are none.
        NotAChestXray: nothing but padding.
    """
    stored = np.arange(1 << layout.stored, dtype=np.float64)
    if layout.signed:
        stored[stored.size // 2 :] -= stored.size
    padding = _padding(elements, layout, stored)
    values = _modality(elements, stored)
    shown, warnings = _values_of_interest(elements, layout, values, samples, padding)
    # Either of the two says that low values are bright, and both mean the same single inversion.
    if (
        elements.text(Tag.PHOTOMETRIC_INTERPRETATION) == "MONOCHROME1"
        or elements.text(Tag.PRESENTATION_LUT_SHAPE) == "INVERSE"
    ):
        shown = 1 - shown
    table = np.rint(255 * shown).astype(np.uint8)
    table[padding] = 0
    pixels = np.empty(samples.shape, np.uint8)
    for rows in _row_blocks(samples):
        pixels[rows] = table[samples[rows]]
    return pixels, warnings


def _padding(elements: Elements, layout: Layout, stored: Values) -> NDArray[np.bool_]:
    """Which stored values stand for no image at all (PS3.3 section C.7.5.1.1.2)."""
    bounds = [
        number - (1 << 16) if layout.signed and number >= 1 << 15 else number
        for tag in (Tag.PIXEL_PADDING_VALUE, Tag.PIXEL_PADDING_RANGE_LIMIT)
        if (number := elements.short(tag)) is not None
    ]
    if not bounds:
        return np.zeros(stored.shape, np.bool_)
    return (stored >= min(bounds)) & (stored <= max(bounds))


def _modality(elements: Elements, stored: Values) -> Values:
    lut = _read_lut(elements, Tag.MODALITY_LUT_SEQUENCE, stored)
    if lut is not None:
        return lut.apply(stored)
    slope = elements.number(Tag.RESCALE_SLOPE)
    intercept = elements.number(Tag.RESCALE_INTERCEPT)
    if slope == 0:
        raise UndecodableImage("The rescale slope is zero, so all pixels are one value.")
    return stored * (1 if slope is None else slope) + (intercept or 0)


def _values_of_interest(
    elements: Elements,
    layout: Layout,
    values: Values,
    samples: Samples,
    padding: NDArray[np.bool_],
) -> tuple[Values, tuple[PredictionWarning, ...]]:
    """VOI LUT, else window, else the whole range of 8 bits, else percentiles: 0..1 for each value.

    Where there are several, the first is taken; it is the one that devices mean to be seen.
    """
    lut = _read_lut(elements, Tag.VOI_LUT_SEQUENCE, values)
    if lut is not None:
        return lut.apply(values) / lut.white, ()
    center = elements.number(Tag.WINDOW_CENTER)
    width = elements.number(Tag.WINDOW_WIDTH)
    if center is not None and width is not None and width > 0:
        return _window(elements.text(Tag.VOI_LUT_FUNCTION), values, center, width), ()
    if layout.stored == 8:
        # a picture that was made to be looked at, like the same pixels in a JPEG or PNG
        return _ramp(values, float(values.min()), float(values.max())), ()
    low, high = _percentiles(values, samples, padding)
    sentence = (
        "The DICOM file says nothing of how its values are to be shown (no VOI LUT, no window), so "
        f"black and white were set by the picture's {100 * _TAIL:g} % darkest and brightest pixels."
    )
    return _ramp(values, low, high), (PredictionWarning("percentile_window", sentence),)


def _window(function: str, values: Values, center: float, width: float) -> Values:
    """Grey 0..1 by a window (PS3.3 sections C.11.2.1.2 and C.11.2.1.3)."""
    match function:
        case "SIGMOID":
            slopes = -4 * (values - center) / max(width, _NARROWEST)
            return 1 / (1 + np.exp(np.minimum(slopes, 700)))
        case "LINEAR_EXACT":
            return _ramp(values, center - width / 2, center + width / 2)
        case "LINEAR" | "":
            half = (width - 1) / 2
            return _ramp(values, center - 0.5 - half, center - 0.5 + half)
    raise UndecodableImage("The VOI LUT function is none that the standard knows.")


def _ramp(values: Values, low: float, high: float) -> Values:
    """0 up to ``low``, 1 from ``high`` on, a straight line between them."""
    if high - low < _NARROWEST:
        return (values > low).astype(np.float64)
    return np.clip((values - low) / (high - low), 0, 1)


def _percentiles(
    values: Values, samples: Samples, padding: NDArray[np.bool_]
) -> tuple[float, float]:
    """Values with ``_TAIL`` of the pixels below and above them; padding does not count."""
    counts = np.zeros(values.size, np.int64)
    for rows in _row_blocks(samples):
        counts += np.bincount(samples[rows].ravel(), minlength=values.size)
    counts[padding] = 0
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(counts[order])
    total = int(reached[-1])
    if total == 0:
        raise NotAChestXray("The picture holds nothing but padding. Send the original image.")
    low, high = np.searchsorted(reached, [_TAIL * total, (1 - _TAIL) * total])
    return float(values[order[low]]), float(values[order[high]])


def _read_lut(elements: Elements, sequence: Tag, values: Values) -> _Lut | None:
    """The table in the first item of a sequence; None where there is none.

    Raises:
        UndecodableImage: fewer entries than announced.
    """
    item = first_item(elements, sequence)
    if item is None or Tag.LUT_DATA not in item:
        return None
    descriptor = item.shorts(Tag.LUT_DESCRIPTOR)
    if descriptor.size < 3:
        raise UndecodableImage("A lookup table has no descriptor. Export the file again.")
    count, first, bits = (int(number) for number in descriptor[:3])
    count = count or 1 << 16
    if values.min() < 0 and first >= 1 << 15:
        first -= 1 << 16  # counts from a negative value
    words = item.shorts(Tag.LUT_DATA)
    packed = bits <= 8 and words.size < count  # some devices put two entries in a word
    raw = words.astype("<u2").view(np.uint8) if packed else words
    if raw.size < count:
        raise UndecodableImage("A lookup table is shorter than announced. Export the file again.")
    entries = raw[:count].astype(np.float64)
    # some devices announce fewer bits than they use
    bits = max(8, min(bits, 16), int(entries.max()).bit_length())
    return _Lut(entries, first, (1 << bits) - 1)


def _row_blocks(samples: Samples) -> Iterator[slice]:
    height, width = samples.shape
    step = max(1, _AT_ONCE // width)
    return (slice(top, top + step) for top in range(0, height, step))
