"""The elements of a DICOM header that the policy needs, by pydicom; nothing else is looked at."""

import math
from collections.abc import Iterable
from io import BytesIO
from typing import cast

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset

from service.imaging.dicom_terms import KEYWORDS

_LARGEST_NUMBER = 1e15


def read_header(data: bytes | bytearray) -> FileDataset:
    """Read a DICOM file up to its pixel data, with or without preamble and meta information.

    Returns:
        The data set; its ``buffer`` stands at the pixel data element.

    Raises:
        Exception: whatever pydicom raises at a broken file, see ``dicom._BROKEN``.
    """
    return pydicom.dcmread(
        BytesIO(data), stop_before_pixels=True, force=True, specific_tags=[*KEYWORDS]
    )


def text(dataset: Dataset, keyword: str) -> str:
    """The first value of a text element in capitals, without padding; ``""`` where it is missing.

    Raw bytes, because pydicom's conversion refuses what the policy can do without.
    """
    first = _raw(dataset, keyword).partition(b"\\")[0]
    return first.decode("latin-1").strip(" \0").upper()


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value of a decimal or integer string.

    Returns:
        None where it is missing, NaN where it is text that no image can need as a number.
    """
    found = text(dataset, keyword)
    if not found:
        return None
    try:
        value = float(found)
    except ValueError:
        return math.nan
    return value if abs(value) < _LARGEST_NUMBER else math.nan


def shorts(dataset: Dataset, keyword: str) -> NDArray[np.uint16]:
    """All 16-bit values as uint16 ``[n]``, whatever the sign that the file gives them."""
    value = _raw(dataset, keyword)
    little = dataset.original_encoding[1] is not False
    return np.frombuffer(value[: len(value) // 2 * 2], "<u2" if little else ">u2").astype(np.uint16)


def short(dataset: Dataset, keyword: str) -> int | None:
    """The first 16-bit value, 0..65535; None where it is missing."""
    values = shorts(dataset, keyword)
    return int(values[0]) if values.size else None


def first_item(dataset: Dataset, keyword: str) -> Dataset | None:
    """The first item of a sequence; None where there is none."""
    items = cast("Iterable[Dataset]", dataset.get(keyword) or ())
    return next(iter(items), None)


def _raw(dataset: Dataset, keyword: str) -> bytes:
    element = dataset.get_item(keyword) if keyword in dataset else None
    value = element.value if isinstance(element, RawDataElement) else None
    return value or b""
