"""DICOM bytes to the few data elements a picture needs (DICOM PS3.5 chapter 7, PS3.10 chapter 7).

A reader of our own, because uploads are hostile: a general toolkit keeps and interprets all that
it meets (docs/dicom.md measures it). This one steps over everything that has no
``Tag``, so a patient's name is never even looked at, copies nothing, and does a bounded number
of steps however the bytes are arranged.
"""

import struct
import zlib
from collections.abc import Iterator

from service.errors import TooLarge, UndecodableImage
from service.imaging.dicom_elements import Elements
from service.imaging.dicom_tags import Tag

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

_TAGS = frozenset(Tag)
_ITEM = 0xFFFEE000
_END_OF_ITEM = 0xFFFEE00D
_END_OF_SEQUENCE = 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_META_GROUP = 2

# Value representations whose length takes two bytes; all others, also future ones, take four.
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

_PREAMBLE = 128
_MAGIC = b"DICM"
# A radiograph has some hundred elements; each one costs about a microsecond to step over.
_MOST_ELEMENTS = 100_000
# Beside its pixels (at most two bytes each), a data set holds tables and texts.
_ROOM_BESIDE_PIXELS = 16 * 2**20


def looks_like_dicom(data: bytes) -> bool:
    """Whether the first bytes are a DICOM file's, with its preamble or (often seen) without."""
    if data[_PREAMBLE : _PREAMBLE + 4] == _MAGIC:
        return True
    # without it a file starts with group 2 or 8, low element numbers first, and a short value
    for order, groups in (("<", (2, 8)), (">", (8,))):
        if len(data) < 8:
            return False
        group, element, representation, _ = struct.unpack_from(f"{order}HH2sH", data)
        if group in groups and element <= 0xFF:
            (length,) = struct.unpack_from(f"{order}I", data, 4)
            return representation in _SHORT | _LONG or length <= 0xFF
    return False


def read_elements(data: bytes, most_pixels: int) -> Elements:
    """Find the elements of a DICOM file.

    A value that the end of the file cuts off is returned as far as it goes.

    Args:
        data: the whole file, with or without preamble and file meta information.
        most_pixels: bounds what a deflated data set may grow to.

    Raises:
        UndecodableImage: a broken deflate stream, or more elements than any radiograph has.
        TooLarge: a deflated data set that is larger than such a picture can be.
    """
    view = memoryview(data)
    start = _PREAMBLE + 4 if data[_PREAMBLE : _PREAMBLE + 4] == _MAGIC else 0
    syntax, start = _meta(view, start)
    body = view[start:]
    if syntax == DEFLATED:
        body = memoryview(_inflate(body, 2 * most_pixels + _ROOM_BESIDE_PIXELS))
    if not syntax:
        # group 8 comes first, whose high byte is zero
        syntax = EXPLICIT_BIG if bytes(body[:1]) == b"\0" else EXPLICIT_LITTLE
    return _read(body, syntax != EXPLICIT_BIG, syntax)


def first_item(elements: Elements, tag: Tag) -> Elements | None:
    """The first item of a sequence; None where there is none.

    Raises:
        UndecodableImage: more elements than any radiograph has.
    """
    value = elements.values.get(tag, memoryview(b""))
    if len(value) < 8:
        return None
    number, _, length, begin = _Walk(value, elements.little, explicit=False).header(0)
    if number != _ITEM:
        return None
    body = value[begin:] if length == _UNDEFINED else value[begin : begin + length]
    return _read(body, elements.little, elements.syntax)


def fragments(elements: Elements) -> Iterator[memoryview]:
    """The fragments of encapsulated pixel data (PS3.5 annex A.4), without the offset table."""
    value = elements.values.get(Tag.PIXEL_DATA, memoryview(b""))
    walk = _Walk(value, little=True, explicit=False)
    position = 0
    first = True
    while position + 8 <= len(value):
        number, _, length, begin = walk.header(position)
        if number != _ITEM or length == _UNDEFINED:
            return
        if not first:
            yield value[begin : begin + length]
        first = False
        position = begin + length


def _meta(view: memoryview, position: int) -> tuple[str, int]:
    """The transfer syntax that the file meta information names, and where the data set starts."""
    syntax = ""
    walk = _Walk(view, little=True, explicit=True)
    while position + 8 <= len(view):
        number, _, length, begin = walk.header(position)
        if number >> 16 != _META_GROUP:
            break
        position = begin + length
        if number == Tag.TRANSFER_SYNTAX_UID:
            syntax = bytes(view[begin:position]).decode("latin-1").strip(" \0")
    return syntax, position


def _read(view: memoryview, little: bool, syntax: str) -> Elements:
    """Step over one data set or item up to its pixel data, its delimiter or the end."""
    # whatever the transfer syntax claims, the first element shows which encoding it is
    walk = _Walk(view, little, explicit=bytes(view[4:6]) in _SHORT | _LONG)
    values: dict[int, memoryview] = {}
    representations: dict[int, bytes] = {}
    encapsulated = False
    position = 0
    while position + 8 <= len(view):
        number, representation, length, begin = walk.header(position)
        if number == _END_OF_ITEM:
            break
        encapsulated = number == Tag.PIXEL_DATA and length == _UNDEFINED
        if encapsulated:
            position = len(view)
        elif length == _UNDEFINED:
            position = walk.after_sequence(begin)
        else:
            position = begin + length
        if number in _TAGS:
            values[number] = view[begin:position]
            representations[number] = representation
        if number == Tag.PIXEL_DATA:
            break
    return Elements(values, representations, little, syntax, encapsulated)


class _Walk:
    """Steps from element to element, and stops a file that has far too many."""

    def __init__(self, view: memoryview, little: bool, explicit: bool) -> None:
        self._view = view
        self._order = "<" if little else ">"
        self._explicit = explicit
        self._steps = 0

    def header(self, position: int) -> tuple[int, bytes, int, int]:
        """Tag, value representation, length of the value and where it begins.

        Writers mix encodings inside one file, so an element of an explicit data set that shows no
        value representation is read as an implicit one.
        """
        self._steps += 1
        if self._steps > _MOST_ELEMENTS:
            raise UndecodableImage(
                f"The DICOM header has more than {_MOST_ELEMENTS} elements. Export the file again."
            )
        group, element, representation, short = struct.unpack_from(
            f"{self._order}HH2sH", self._view, position
        )
        number = group << 16 | element
        if self._explicit and group != _ITEM >> 16:
            if representation in _SHORT:
                return number, representation, short, position + 8
            if representation.isalpha() and representation.isupper():
                return number, representation, self._length(position + 8), position + 12
        return number, b"", self._length(position + 4), position + 8

    def after_sequence(self, position: int) -> int:
        """Where a value of undefined length ends; what it nests is counted, not called into."""
        nesting = 1
        while nesting and position + 8 <= len(self._view):
            number, _, length, begin = self.header(position)
            if number in (_END_OF_ITEM, _END_OF_SEQUENCE):
                nesting -= 1
                position = begin
            elif length == _UNDEFINED:
                nesting += 1
                position = begin
            else:
                position = begin + length
        return position

    def _length(self, position: int) -> int:
        if position + 4 > len(self._view):
            return 0
        (length,) = struct.unpack_from(f"{self._order}I", self._view, position)
        return int(length)


def _inflate(deflated: memoryview, most: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(deflated, most)
    except zlib.error as error:
        raise UndecodableImage(
            "The deflated DICOM file is corrupt. Send the complete, original file."
        ) from error
    if inflater.unconsumed_tail:
        raise TooLarge("The DICOM file is too large once it is inflated. Send a smaller copy.")
    return inflated
