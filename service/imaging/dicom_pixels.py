"""The stored samples of a DICOM image in any transfer syntax, decoded by pydicom's plugins.

The compressed stream says what it is and is believed before the transfer syntax, because the
decoder obeys nothing else (PS3.5 chapter 8 and annex A).
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_fragments
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from service.errors import UndecodableImage, UnsupportedType
from service.imaging.dicom_header import short

Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

# PS3.6 annex A: uncompressed, then RLE, JPEG (of 8 bits), JPEG lossless, JPEG-LS and JPEG 2000
_NATIVE = ("", ".1", ".1.99", ".2")
_COMPRESSED = (".5", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91")
SYNTAXES = tuple(UID(f"1.2.840.10008.1.2{end}") for end in _NATIVE + _COMPRESSED)

_LAYOUT = ("Rows", "Columns", "BitsAllocated", "BitsStored")
_ITEM = b"\xfe\xff\x00\xe0"
_UNDEFINED = 0xFFFFFFFF
_LONG_FORM = (b"OB", b"OW", b"UN")
_JPEG = b"\xff\xd8"
_JPEG_2000 = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"  # of both
# start of frame -> what decodes it (ITU-T T.81 table B.1, T.87); plugins by pydicom's names
_FRAMES = {
    0xC0: (JPEGBaseline8Bit, "pillow"),
    0xC1: (JPEGBaseline8Bit, "pillow"),
    0xC3: (JPEGLossless, "gdcm"),
    0xF7: (JPEGLSLossless, "pyjpegls"),
}
_OTHER_FRAMES = frozenset({0xC2, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_START_OF_SCAN = 0xDA
# Where only the end marker is missing these are given one; they refuse where samples are missing,
# as Pillow would no longer.
_CHECK_THE_END = ("gdcm", "pyjpegls", "pylibjpeg")
# GDCM makes up samples that are missing, and only tells on standard error
_COMPLAINTS = (b"premature end", b"bad Huffman code")


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


class _Stream(NamedTuple):
    """A compressed frame and what its own header says."""

    data: bytes
    syntax: UID
    plugin: str
    rows: int
    columns: int
    bits: int
    components: int = 1
    signed: bool = False


def read_layout(dataset: FileDataset) -> Layout:
    """The layout that the header states.

    Raises:
        UndecodableImage: it is incomplete or contradicts itself.
        UnsupportedType: samples of fewer than 8 or more than 16 bits.
    """
    numbers = [short(dataset, keyword) for keyword in _LAYOUT]
    if None in numbers:
        raise UndecodableImage(
            "The DICOM file lacks Rows, Columns, BitsAllocated or BitsStored. Export it again."
        )
    rows, columns, allocated, stored = (number or 0 for number in numbers)
    if allocated not in (8, 16) or not 8 <= stored <= 16:
        raise UnsupportedType("Only samples of 8 to 16 bits are read. Send the original X-ray.")
    high = short(dataset, "HighBit")
    high = stored - 1 if high is None else high
    if not stored - 1 <= high < allocated:
        raise UndecodableImage(
            "BitsAllocated, BitsStored and HighBit contradict each other. Export the file again."
        )
    signed = short(dataset, "PixelRepresentation") == 1
    return Layout(rows, columns, allocated, stored, high + 1 - stored, signed)


def read_samples(dataset: FileDataset, layout: Layout) -> Samples:
    """Decode the pixel data at which the data set's buffer stands.

    Returns:
        uint8 or uint16 ``[h, w]``: the ``layout.stored`` bits of each sample and nothing beside
        them. Two's complement where ``layout.signed``.

    Raises:
        UndecodableImage: truncated, corrupt, or at odds with the header.
        UnsupportedType: compressed in a way that is not read.
        Exception: whatever pydicom and its plugins raise at broken data, see ``dicom._BROKEN``.
    """
    value, vr, encapsulated = _pixel_data(dataset)
    if not encapsulated:
        return _kept(_native(dataset, value, vr, layout), layout.stored, layout.shift)
    stream = _stream(dataset, _frame(value), layout)
    cells = _decompress(stream)
    if stream.bits < layout.stored and (layout.signed or stream.signed):
        # the encoder left out the high bits, which repeat the sign
        sign = np.uint16(1 << (stream.bits - 1))
        cells = (cells.astype(np.uint16) ^ sign) - sign
    shift = layout.shift if stream.bits > layout.stored else 0
    return _kept(cells, layout.stored, shift)


def _pixel_data(dataset: FileDataset) -> tuple[memoryview, str, bool]:
    """Value and value representation of the pixel data, and whether they are encapsulated."""
    source = dataset.buffer
    head = source.read(8) if source else b""
    if not source or len(head) < 8:
        _refuse_syntax(dataset)
        raise UndecodableImage("The DICOM file holds no pixel data. Send the image object itself.")
    explicit = head[4:6] in _LONG_FORM
    little = dataset.original_encoding[1] is not False
    raw = source.read(4) if explicit else head[4:]
    (length,) = struct.unpack("<I" if little else ">I", raw)
    value = memoryview(source.read(-1 if length == _UNDEFINED else length))
    compressed = transfer_syntax(dataset) in SYNTAXES[len(_NATIVE) :]
    encapsulated = length == _UNDEFINED or (compressed and value[:4] == _ITEM)
    return value, head[4:6].decode("ascii") if explicit else "OW", encapsulated


def _native(dataset: FileDataset, value: memoryview, vr: str, layout: Layout) -> Samples:
    _refuse_syntax(dataset)
    length = layout.rows * layout.columns * layout.allocated // 8
    little = dataset.original_encoding[1] is not False
    if len(value) < length:
        raise truncated()
    return _as_array(
        ExplicitVRLittleEndian if little else ExplicitVRBigEndian,
        value[: length + length % 2],
        (layout.rows, layout.columns),
        layout.allocated,
        pixel_vr=vr,
    )


def _frame(value: memoryview) -> bytes:
    """All fragments in one; the first is left out where it is a Basic Offset Table."""
    fragments: list[bytes] = []
    with suppress(ValueError):  # what is no fragment ends them
        fragments.extend(generate_fragments(bytes(value)))
    is_table = fragments and fragments[0][:4] in (b"", b"\0\0\0\0")
    return b"".join(fragments[1:] if is_table else fragments)


def _stream(dataset: FileDataset, frame: bytes, layout: Layout) -> _Stream:
    """What the compressed frame is, checked against the header before anything is decoded."""
    start = frame.find(_JPEG_2000)  # some writers leave the JP2 boxes around it
    if frame.startswith(_JPEG):
        stream = _jpeg(frame)
    elif start >= 0:
        stream = _jpeg_2000(frame[start:])
    elif frame[:8] == struct.pack("<II", layout.allocated // 8, 64):  # PS3.5 annex G
        size = (layout.rows, layout.columns)
        return _Stream(frame, RLELossless, "pydicom", *size, layout.allocated)
    else:
        _refuse_syntax(dataset)
        raise UndecodableImage(
            "The compressed pixel data begin with no known signature. Send the complete, original "
            "file."
        )
    if stream.components != 1:
        raise UnsupportedType("The compressed image is in colour. Send a grey X-ray.")
    if (stream.columns, stream.rows) != (layout.columns, layout.rows):
        raise UndecodableImage(
            "The compressed image is not of the size that the DICOM header states. "
            "Export the file again."
        )
    if stream.plugin == "pillow" and stream.bits != 8:
        raise UnsupportedType(
            "The image is compressed as 12-bit JPEG, which is not read. Send it uncompressed or "
            "losslessly compressed."
        )
    if stream.bits > 16:
        raise UnsupportedType("Samples of more than 16 bits are not read. Send 8 to 16 bits.")
    if stream.plugin == "pillow" and layout.stored != 8:
        raise UndecodableImage(
            "The JPEG image has 8 bits a sample where the DICOM header states more. "
            "Export the file again."
        )
    return stream


def _jpeg(frame: bytes) -> _Stream:
    """The frame header of a JPEG or JPEG-LS stream."""
    position, marker = len(_JPEG), 0
    while marker != _START_OF_SCAN and position + 4 <= len(frame):
        first, marker, length = struct.unpack_from(">BBH", frame, position)
        if first == 0xFF and marker == 0xFF:  # fill byte
            position += 1
        elif first != 0xFF or length < 2:
            break
        elif marker in _OTHER_FRAMES:
            kind = "progressive" if marker == 0xC2 else "hierarchical or arithmetic"
            raise UnsupportedType(
                f"The image is compressed as {kind} JPEG, which is not read. Send it uncompressed "
                "or losslessly compressed."
            )
        elif marker in _FRAMES:
            bits, rows, columns, components = struct.unpack_from(">BHHB", frame, position + 4)
            return _Stream(frame, *_FRAMES[marker], rows, columns, bits, components)
        else:
            position += 2 + length
    raise UndecodableImage(
        "The header of the compressed image is truncated or broken. Send the original file."
    )


def _jpeg_2000(frame: bytes) -> _Stream:
    """The SIZ segment (T.800 annex A.5.1)."""
    right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
    components, precision = struct.unpack_from(">HB", frame, 40)
    bits, signed = (precision & 0x7F) + 1, precision >= 0x80
    size = (bottom - top, right - left)
    return _Stream(frame, JPEG2000Lossless, "pylibjpeg", *size, bits, components, signed)


def _decompress(stream: _Stream) -> Samples:
    *others, last = _ended(stream)
    for frame in others:
        with suppress(RuntimeError):  # pydicom's, where a decoder refuses
            return _decompress_frame(stream, frame)
    return _decompress_frame(stream, last)


def _ended(stream: _Stream) -> list[bytes]:
    """The frame without padding and with an end marker, in each way that it may be meant."""
    if stream.plugin not in _CHECK_THE_END:
        return [stream.data]
    stripped = stream.data.rstrip(b"\0")
    if stripped.endswith(_END):
        return [stripped]
    # The zeros may be samples or padding, which GDCM alone passes over.
    if stream.plugin == "gdcm":
        return [stream.data + _END]
    return [rest + _END for rest in (stream.data, stripped, stripped + b"\0")]


def _decompress_frame(stream: _Stream, frame: bytes) -> Samples:
    with _complaints() as complaints:
        cells = _as_array(
            stream.syntax,
            encapsulate([frame], has_bot=False),
            (stream.rows, stream.columns),
            stream.bits,
            decoding_plugin=stream.plugin,
        )
    if any(complaint in complaints for complaint in _COMPLAINTS):
        raise truncated()
    return cells


def _as_array(
    syntax: UID, source: bytes | memoryview, size: tuple[int, int], bits: int, **options: Any
) -> Samples:
    """Cells of 8 or 16 bits, unsigned and without pydicom's corrections, ``[rows, columns]``."""
    described: dict[str, Any] = {
        "rows": size[0],
        "columns": size[1],
        "bits_allocated": 8 if bits <= 8 else 16,
        "bits_stored": bits,
        "pixel_representation": 0,
        "samples_per_pixel": 1,
        "number_of_frames": 1,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "allow_excess_frames": False,
    }
    cells: Samples = get_decoder(syntax).as_array(source, **described, **options)[0]
    return cells


@contextmanager
def _complaints() -> Iterator[bytearray]:
    """Collects what native code prints on standard error meanwhile."""
    told = bytearray()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)  # who prints more than a pipe holds is not waited for
    kept = os.dup(2)
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield told
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        told += os.read(reader, 1 << 16)
        os.close(reader)


def _kept(cells: Samples, stored: int, shift: int) -> Samples:
    """Drop what else lies in the cells: overlays and whatever a device leaves in unused bits."""
    if stored == 8:
        return (cells >> shift).astype(np.uint8)
    cells = cells.astype(np.uint16, copy=False)
    cells >>= np.uint16(shift)
    cells &= np.uint16((1 << stored) - 1)
    return cells


def transfer_syntax(dataset: FileDataset) -> str:
    """The UID that the file states; ``""`` where it states none."""
    return str(dataset.file_meta.get("TransferSyntaxUID", ""))


def _refuse_syntax(dataset: FileDataset) -> None:
    """Name the transfer syntax as the reason where it is one that is not read."""
    syntax = transfer_syntax(dataset)
    if syntax and syntax not in SYNTAXES:
        known = UID(syntax).name
        name = "an unknown transfer syntax" if known == syntax else known
        raise UnsupportedType(
            f"The image is stored as {name}, which is not read. Send it uncompressed or "
            "losslessly compressed."
        )


def truncated() -> UndecodableImage:
    """What broken pixel data are answered with."""
    return UndecodableImage(
        "The pixel data are truncated or corrupt. Send the complete, original file."
    )
