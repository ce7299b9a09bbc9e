"""The stored samples of a DICOM picture in any transfer syntax (PS3.5 chapter 8 and annex A)."""

import struct
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import UndecodableImage, UnsupportedType
from service.imaging import jpeg_lossless
from service.imaging.codestream import Codestream, read_header
from service.imaging.dicom_elements import Elements
from service.imaging.dicom_reader import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    fragments,
)
from service.imaging.dicom_tags import Tag

Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

# UID -> name of every transfer syntax that is read
NATIVE = {
    IMPLICIT_LITTLE: "Implicit VR Little Endian",
    EXPLICIT_LITTLE: "Explicit VR Little Endian",
    DEFLATED: "Deflated Explicit VR Little Endian",
    EXPLICIT_BIG: "Explicit VR Big Endian",
}
RLE = {"1.2.840.10008.1.2.5": "RLE Lossless"}
COMPRESSED = {
    "1.2.840.10008.1.2.4.50": "JPEG Baseline",
    "1.2.840.10008.1.2.4.51": "JPEG Extended, where it has 8 bits",
    "1.2.840.10008.1.2.4.57": "JPEG Lossless",
    "1.2.840.10008.1.2.4.70": "JPEG Lossless, First-Order Prediction",
    "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS Near-Lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 Lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
}

_LAYOUT_TAGS = (Tag.ROWS, Tag.COLUMNS, Tag.BITS_ALLOCATED, Tag.BITS_STORED)
# what Pillow raises on bytes that are not what they claim to be
_DECODER_FAILURES = (OSError, SyntaxError, ValueError, struct.error)


@dataclass(frozen=True)
class Layout:
    """How samples lie in the pixel data (PS3.3 section C.7.6.3, PS3.5 section 8.1.1).

    Attributes:
        rows: height.
        columns: width.
        allocated: bits of the cell that holds a sample, 8 or 16.
        stored: bits of the sample, 8..16.
        shift: unused bits below the sample.
        signed: whether samples are two's complement.
    """

    rows: int
    columns: int
    allocated: int
    stored: int
    shift: int
    signed: bool


def read_layout(elements: Elements) -> Layout:
    """The layout that the header states.

    Raises:
        UndecodableImage: it is incomplete or contradicts itself.
        UnsupportedType: samples of fewer than 8 or more than 16 bits.
    """
    numbers = [elements.short(tag) for tag in _LAYOUT_TAGS]
    if None in numbers:
        raise UndecodableImage(
            "The DICOM file lacks Rows, Columns, BitsAllocated or BitsStored. Export it again."
        )
    rows, columns, allocated, stored = (number or 0 for number in numbers)
    if allocated not in (8, 16) or not 8 <= stored <= 16:
        raise UnsupportedType("Only samples of 8 to 16 bits are read. Send the original X-ray.")
    high = elements.short(Tag.HIGH_BIT)
    high = stored - 1 if high is None else high
    if not stored - 1 <= high < allocated:
        raise UndecodableImage(
            "BitsAllocated, BitsStored and HighBit contradict each other. Export the file again."
        )
    signed = elements.short(Tag.PIXEL_REPRESENTATION) == 1
    return Layout(rows, columns, allocated, stored, shift=high + 1 - stored, signed=signed)


def read_samples(elements: Elements, layout: Layout, halvings: int) -> Samples:
    """Decode the pixel data.

    Args:
        elements: the data set.
        layout: checked against whatever the compressed picture says of itself before decoding.
        halvings: how often the picture may be halved while decoding, where the decoder can.

    Returns:
        uint8 or uint16 ``[h, w]``: the ``layout.stored`` bits of each sample and nothing beside
        them. Two's complement where ``layout.signed``.

    Raises:
        UndecodableImage: truncated, corrupt, or at odds with the header.
        UnsupportedType: compressed in a way that is not read.
    """
    if Tag.PIXEL_DATA not in elements:
        raise UndecodableImage("The DICOM file holds no pixel data. Send the image object itself.")
    if elements.encapsulated == (elements.syntax in NATIVE):
        raise UndecodableImage(
            "The DICOM file's transfer syntax does not fit its pixel data. Export the file again."
        )
    if elements.syntax in NATIVE:
        return _keep_stored(_native(elements, layout), layout.stored, layout.shift)
    data = b"".join(fragments(elements))
    if elements.syntax in RLE:
        return _keep_stored(_run_lengths(data, layout), layout.stored, layout.shift)
    stream = read_header(data)
    _check(stream, layout)
    try:
        cells = _decompress(stream, layout, min(halvings, stream.halvings))
    except _DECODER_FAILURES as error:
        raise _truncated() from error
    # an encoder that kept fewer bits than the cell has left out the unused ones
    shift = layout.shift if stream.bits > layout.stored else 0
    return _keep_stored(cells, layout.stored, shift)


def _truncated() -> UndecodableImage:
    return UndecodableImage(
        "The pixel data are truncated or corrupt. Send the complete, original file."
    )


def _native(elements: Elements, layout: Layout) -> Samples:
    value = elements.values[Tag.PIXEL_DATA]
    count = layout.rows * layout.columns
    if len(value) < count * layout.allocated // 8:
        raise _truncated()
    if layout.allocated == 16:
        cells = np.frombuffer(value, "<u2" if elements.little else ">u2", count)
        return cells.reshape(layout.rows, layout.columns)
    cells = np.frombuffer(value, np.uint8)
    if not elements.little and elements.representations[Tag.PIXEL_DATA] == b"OW":
        # two samples make one word, and words are what big endian turns around
        cells = cells[: cells.size // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()
        if cells.size < count:
            raise _truncated()
    return cells[:count].reshape(layout.rows, layout.columns)


def _run_lengths(data: bytes, layout: Layout) -> Samples:
    """RLE (PS3.5 annex G): one run-length coded segment a byte of the cell, the high byte first."""
    planes = layout.allocated // 8
    count = layout.rows * layout.columns
    try:
        number, *offsets = struct.unpack_from("<16I", data)
        if number != planes:
            raise _truncated()
        bounds = [*offsets[:planes], len(data)]
        segments = [
            # PackBits is what TIFF calls the same code; as one line, runs may go past a row's end
            Image.frombytes("L", (count, 1), data[begin:end], "packbits", "L")
            for begin, end in pairwise(bounds)
        ]
    except _DECODER_FAILURES as error:
        raise _truncated() from error
    cells = np.stack([np.asarray(segment)[0] for segment in reversed(segments)], axis=1)
    return cells.view(f"<u{planes}").reshape(layout.rows, layout.columns)


def _check(stream: Codestream, layout: Layout) -> None:
    """The compressed picture's own header, not the file's, is what a decoder obeys."""
    if stream.components != 1:
        raise UnsupportedType("The compressed picture is in colour. Send a grey X-ray.")
    if (stream.columns, stream.rows) != (layout.columns, layout.rows):
        raise UndecodableImage(
            "The compressed picture is not of the size that the DICOM header states. "
            "Export the file again."
        )
    if stream.process == "JPEG" and stream.bits != 8:
        raise UnsupportedType(
            "The picture is compressed as 12-bit JPEG, which is not read. Send it uncompressed or "
            "losslessly compressed."
        )
    if stream.bits > 16:
        raise UnsupportedType("Samples of more than 16 bits are not read. Send 8 to 16 bits.")
    if stream.process == "JPEG" and layout.stored != 8:
        raise UndecodableImage(
            "The JPEG picture has 8 bits a sample where the DICOM header states more. "
            "Export the file again."
        )


def _decompress(stream: Codestream, layout: Layout, halvings: int) -> Samples:
    match stream.process:
        case "JPEG":
            with Image.open(BytesIO(stream.data), formats=["JPEG"]) as image:
                _same_size(image, stream)
                image.draft("L", (stream.columns >> halvings, stream.rows >> halvings))
                return np.asarray(image)
        case "JPEG lossless" | "JPEG-LS":
            cells: Samples = jpeg_lossless.decode(stream)
        case "JPEG 2000":
            cells = _jpeg_2000(stream, halvings)
    if stream.bits >= layout.stored or stream.signed or not layout.signed:
        return cells
    # The encoder dropped the unused high bits, which repeat the sign, and nothing in such a
    # codestream says so.
    sign = np.uint16(1 << (stream.bits - 1))
    return (cells.astype(np.uint16) ^ sign) - sign


def _jpeg_2000(stream: Codestream, halvings: int) -> Samples:
    with Image.open(BytesIO(stream.data), formats=["JPEG2000"]) as image:
        _same_size(image, stream)
        # Pillow expects rounded sides of a reduced picture, the codec rounds them up, and where the
        # two differ it fails; after a single halving they never do.
        while any(0 < side % (1 << halvings) < (1 << halvings) / 2 for side in image.size):
            halvings -= 1
        if halvings:
            image.reduce = halvings  # type: ignore[method-assign,assignment]
        cells: Samples = np.asarray(image)
    # Pillow moves the samples to the top of 8 or 16 bits, and signed ones up to start at zero
    shift = 8 * cells.itemsize - stream.bits
    offset = 1 << (stream.bits - 1) if stream.signed else 0
    return (cells.astype(np.uint16, copy=False) >> np.uint16(shift)) - np.uint16(offset)


def _same_size(image: Image.Image, stream: Codestream) -> None:
    if image.size != (stream.columns, stream.rows) or image.mode not in ("L", "I;16"):
        raise _truncated()


def _keep_stored(cells: Samples, stored: int, shift: int) -> Samples:
    """Drop what else lies in the cells: overlays and whatever a device leaves in unused bits."""
    if stored == 8:
        return (cells >> shift).astype(np.uint8)
    cells = cells.astype(np.uint16, copy=False)
    return (cells >> np.uint16(shift)) & np.uint16((1 << stored) - 1)
