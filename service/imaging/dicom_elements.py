"""The few data elements of a DICOM data set that a picture needs, as texts and numbers."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import UndecodableImage
from service.imaging.dicom_tags import Tag

_LARGEST_NUMBER = 1e15


@dataclass(frozen=True)
class Elements:
    """One data set, or one item of a sequence: raw values by tag.

    Attributes:
        values: the value fields of the tags that were found.
        representations: their value representations, empty where the file leaves them implicit.
        little: byte order of numbers.
        syntax: UID of the transfer syntax; the file's own, or what its first bytes look like.
        encapsulated: whether the pixel data are compressed fragments.
    """

    values: dict[int, memoryview]
    representations: dict[int, bytes]
    little: bool
    syntax: str
    encapsulated: bool = False

    def __contains__(self, tag: Tag) -> bool:
        return tag in self.values

    def text(self, tag: Tag) -> str:
        """The first value of a text element without its padding, ``""`` where there is none."""
        return self.texts(tag)[0]

    def texts(self, tag: Tag) -> list[str]:
        """All values of a text element; at least one, possibly empty."""
        value = bytes(self.values.get(tag, b"")).decode("latin-1")
        return [part.strip(" \0") for part in value.split("\\")]

    def number(self, tag: Tag) -> float | None:
        """The first value of a decimal or integer string; None where there is none.

        Raises:
            UndecodableImage: it is text, but no number that a picture could need.
        """
        text = self.text(tag)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) < _LARGEST_NUMBER:  # also refuses "nan"
            raise UndecodableImage("A number in the DICOM header is none. Export the file again.")
        return value

    def shorts(self, tag: Tag) -> NDArray[np.uint16]:
        """All 16-bit values as uint16 ``[n]``, also signed ones; a lone last byte is left out."""
        value = self.values.get(tag, memoryview(b""))
        order = "<u2" if self.little else ">u2"
        return np.frombuffer(value[: len(value) // 2 * 2], order).astype(np.uint16)

    def short(self, tag: Tag) -> int | None:
        """The first 16-bit value, 0..65535; None where there is none."""
        values = self.shorts(tag)
        return int(values[0]) if values.size else None
