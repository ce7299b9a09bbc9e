"""Stored values to the grey that a radiologist sees: modality LUT, VOI LUT or window, inversion.

The order is the standard's (PS3.3 sections C.7.6.3, C.11.1, C.11.2 and PS3.4 annex N.2). Each step
is a function of the stored value alone, so the steps are worked out once for all 256 to 65536
values, in double precision, and the image itself is one table lookup.

What the values show is believed before what the header declares: a table's range comes from its
entries, and a table or window that cannot be used, or that would show next to nothing, is left out.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing

from service.errors import NotAChestXray, UndecodableImage
from service.imaging.dicom_header import first_item, number, short, shorts, text
from service.imaging.dicom_pixels import Layout, Samples
from service.imaging.radiograph import Pixels, PredictionWarning

Values: TypeAlias = NDArray[np.float64]

# Where the file says nothing of its window, this part of the pixels is left out at each end; the
# same pixels do not count for the share of the grey range that an image uses.
_TAIL = 0.005
# less of the grey range shows nothing
_SHOWS_NOTHING = 0.02
# a range narrower than this is a step
_NARROWEST = 1e-9
# samples that are looked up at once; numpy widens them to eight bytes each
_AT_ONCE = 1 << 18
# samples that are enough for percentiles
_ENOUGH = 1 << 20


def to_grey(
    dataset: Dataset, layout: Layout, samples: Samples
) -> tuple[Pixels, tuple[PredictionWarning, ...]]:
    """Show the stored samples.

    Args:
        dataset: the header.
        layout: what a sample is.
        samples: uint8 or uint16 ``[h, w]``, see :func:`service.imaging.dicom_pixels.read_samples`.

    Returns:
        uint8 ``[h, w]``, 0 black (air) .. 255 white (bone), and what had to be assumed.

    Raises:
        UndecodableImage: a modality LUT or rescale that cannot be applied.
        NotAChestXray: nothing but padding.
    """
    stored = np.arange(1 << layout.stored, dtype=np.float64)
    if layout.signed:
        stored[stored.size // 2 :] -= stored.size
    padding = _padding(dataset, layout, stored)
    counts = _counts(samples, stored.size)
    counts[padding] = 0
    if not counts.any():
        raise NotAChestXray("The image holds nothing but padding. Send the original image.")
    shown, warnings = _values_of_interest(dataset, layout, _modality(dataset, stored), counts)
    # Either of the two says that low values are bright, and both mean the same single inversion.
    if (
        text(dataset, "PhotometricInterpretation") == "MONOCHROME1"
        or text(dataset, "PresentationLUTShape") == "INVERSE"
    ):
        shown = 1 - shown
    table = np.rint(255 * shown).astype(np.uint8)
    table[padding] = 0
    pixels = np.empty(samples.shape, np.uint8)
    step = max(1, _AT_ONCE // samples.shape[1])
    for top in range(0, samples.shape[0], step):
        rows = slice(top, top + step)
        np.take(table, samples[rows], out=pixels[rows], mode="clip")  # twice as fast as indexing
    return pixels, warnings


def _padding(dataset: Dataset, layout: Layout, stored: Values) -> NDArray[np.bool_]:
    """Which stored values stand for no image at all (PS3.3 section C.7.5.1.1.2)."""
    bounds = [
        value - (1 << 16) if layout.signed and value >= 1 << 15 else value
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
        if (value := short(dataset, keyword)) is not None
    ]
    if not bounds:
        return np.zeros(stored.shape, np.bool_)
    return (stored >= min(bounds)) & (stored <= max(bounds))


def _counts(samples: Samples, size: int) -> NDArray[np.int64]:
    """How many pixels have each stored value; of large images every n-th row counts."""
    some = samples[:: max(1, samples.size // _ENOUGH)]
    return np.bincount(some.ravel(), minlength=size).astype(np.int64)


def _modality(dataset: Dataset, stored: Values) -> Values:
    if "ModalityLUTSequence" in dataset:
        entries, first, _ = _lut(dataset, "ModalityLUTSequence", stored)
        if entries.size:
            return _look_up(entries, first, stored)
        raise UndecodableImage(
            "The modality lookup table has no descriptor or is shorter than announced. "
            "Export the file again."
        )
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    slope, intercept = 1 if slope is None else slope, intercept or 0
    if slope == 0:
        raise UndecodableImage("The rescale slope is zero, so all pixels are one value.")
    if math.isnan(slope + intercept):
        raise UndecodableImage(
            "The rescale slope or intercept is not a number. Export the file again."
        )
    return stored * slope + intercept


def _values_of_interest(
    dataset: Dataset, layout: Layout, values: Values, counts: NDArray[np.int64]
) -> tuple[Values, tuple[PredictionWarning, ...]]:
    """VOI LUT, else window, else the whole range of 8 bits, else percentiles: 0..1 for each value.

    Where there are several, the first is taken; it is the one that devices mean to be seen.
    """
    warnings: tuple[PredictionWarning, ...] = ()
    if "VOILUTSequence" in dataset:
        shown, warnings = _voi_lut(dataset, values)
        if _share(shown, counts) >= _SHOWS_NOTHING:
            return shown, warnings
        warnings = (
            PredictionWarning(
                "ignored_voi_lut",
                "The file's VOI LUT is incomplete or would show nothing, so it was left out.",
            ),
        )
    center, width = number(dataset, "WindowCenter"), number(dataset, "WindowWidth")
    if center is not None and width is not None and width > 0 and not math.isnan(center):
        shown = _window(text(dataset, "VOILUTFunction"), values, center, width)
        if _share(shown, counts) >= _SHOWS_NOTHING:
            return shown, warnings
    elif layout.stored == 8 and center is None and width is None:
        # an image that was made to be looked at, like the same pixels in a JPEG or PNG
        return _ramp(values, float(values.min()), float(values.max())), warnings
    low, high = _percentiles(values, counts)
    sentence = (
        "The DICOM file does not say how its values are to be shown (no VOI LUT or window that can "
        f"be used), so black and white were set by the image's {100 * _TAIL:g} % darkest and "
        "brightest pixels."
    )
    warning = PredictionWarning("percentile_window", sentence)
    return _ramp(values, low, high), (*warnings, warning)


def _voi_lut(dataset: Dataset, values: Values) -> tuple[Values, tuple[PredictionWarning, ...]]:
    """The table's grey 0..1, all 0 where it cannot be used; white is what its entries reach.

    Devices announce the size of an entry's cell (16) for entries of 12 bits, or fewer bits than the
    entries use. So the bits of the largest entry count, as for 16-bit PNG.
    """
    entries, first, declared = _lut(dataset, "VOILUTSequence", values)
    if not entries.size:
        return np.zeros_like(values), ()
    bits = max(8, int(entries.max()).bit_length())
    shown = _look_up(entries, first, values) / ((1 << bits) - 1)
    if bits >= declared:
        return shown, ()
    sentence = (
        f"The entries of the file's VOI LUT use no more than {bits} of the {declared} bits that "
        f"they are said to have, so {bits} bits were taken as white."
    )
    return shown, (PredictionWarning("assumed_bit_depth", sentence),)


def _lut(dataset: Dataset, keyword: str, values: Values) -> tuple[Values, int, int]:
    """The first table of a sequence (PS3.3 section C.11.1.1.1).

    Returns:
        Entries, float64 ``[n]``, none where the table is incomplete; the value that the first entry
        stands for; the bits that an entry is said to have.
    """
    item = first_item(dataset, keyword)
    descriptor = shorts(item, "LUTDescriptor") if item else np.empty(0, np.uint16)
    if item is None or descriptor.size < 3:
        return np.empty(0), 0, 0
    count, first, bits = (int(value) for value in descriptor[:3])
    count = count or 1 << 16
    if values.min() < 0 and first >= 1 << 15:
        first -= 1 << 16  # counts from a negative value
    words = shorts(item, "LUTData")
    packed = bits <= 8 and words.size < count  # some devices put two entries in a word
    raw = words.astype("<u2").view(np.uint8) if packed else words
    entries = raw[:count] if raw.size >= count else raw[:0]
    return entries.astype(np.float64), first, min(bits, 16)


def _look_up(entries: Values, first: int, values: Values) -> Values:
    """Values before the first or behind the last entry take that entry.

    pydicom's ``apply_voi_lut`` counts the places of an 8-bit table in 8 bits.
    """
    places = np.clip(np.rint(values) - first, 0, entries.size - 1)
    found: Values = entries[places.astype(np.intp)]
    return found


def _window(function: str, values: Values, center: float, width: float) -> Values:
    """Grey 0..1 by a window (PS3.3 sections C.11.2.1.2 and C.11.2.1.3)."""
    window = Dataset()
    window.PhotometricInterpretation = "MONOCHROME2"
    window.PixelRepresentation, window.BitsStored = 0, 16  # what pydicom makes white
    window.WindowCenter, window.WindowWidth = center, width
    window.VOILUTFunction = function if function in ("SIGMOID", "LINEAR_EXACT") else "LINEAR"
    if width < 1 and window.VOILUTFunction == "LINEAR":  # means small values, and forgot to say so
        window.VOILUTFunction = "LINEAR_EXACT"
    with np.errstate(over="ignore"):
        return np.clip(apply_windowing(values, window) / 65535, 0, 1)


def _ramp(values: Values, low: float, high: float) -> Values:
    """0 up to ``low``, 1 from ``high`` on, a straight line between them."""
    if high - low < _NARROWEST:
        return (values > low).astype(np.float64)
    return np.clip((values - low) / (high - low), 0, 1)


def _percentiles(values: Values, counts: NDArray[np.int64]) -> tuple[float, float]:
    """Values with ``_TAIL`` of the pixels below and above them."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(counts[order])
    low, high = np.searchsorted(reached, [_TAIL * reached[-1], (1 - _TAIL) * reached[-1]])
    return float(values[order[low]]), float(values[order[high]])


def _share(shown: Values, counts: NDArray[np.int64]) -> float:
    """The share of the grey range, 0..1, that the image uses when it is shown so."""
    low, high = _percentiles(shown, counts)
    return high - low
