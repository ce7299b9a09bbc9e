"""What a compressed picture says of itself before it is decoded: JPEG, JPEG-LS and JPEG 2000."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from service.errors import UndecodableImage, UnsupportedType

Process: TypeAlias = Literal["JPEG", "JPEG lossless", "JPEG-LS", "JPEG 2000"]

_START_OF_JPEG = b"\xff\xd8"
_START_OF_JPEG_2000 = b"\xff\x4f\xff\x51"
_START_OF_SCAN = 0xDA
# frame headers (ITU-T T.81 table B.1, T.87 for the last)
_PROCESSES: dict[int, Process] = {
    0xC0: "JPEG",
    0xC1: "JPEG",
    0xC3: "JPEG lossless",
    0xF7: "JPEG-LS",
}
_OTHER_FRAMES = frozenset({0xC2, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_CODING_DEFAULT = b"\xff\x52"  # JPEG 2000's COD marker (T.800 annex A.6.1)


@dataclass(frozen=True)
class Codestream:
    """The frame header.

    Attributes:
        process: which decoder it needs.
        data: the bytes from the start of the codestream on.
        columns: width in samples.
        rows: height in samples.
        bits: precision of a sample.
        signed: whether samples are two's complement; only JPEG 2000 can say so.
        components: samples a pixel.
        halvings: how often the decoder can halve the picture while decoding.
    """

    process: Process
    data: bytes
    columns: int
    rows: int
    bits: int
    signed: bool
    components: int
    halvings: int


def read_header(data: bytes) -> Codestream:
    """Find the frame header of a compressed picture.

    Raises:
        UndecodableImage: no header of a known kind, or a broken one.
        UnsupportedType: a process that is not read: progressive, hierarchical or arithmetic.
    """
    try:
        start = data.find(_START_OF_JPEG_2000)  # some writers leave the JP2 boxes around it
        if data.startswith(_START_OF_JPEG):
            return _jpeg(data)
        if start >= 0:
            return _jpeg_2000(data[start:])
    except (struct.error, IndexError) as error:
        raise UndecodableImage(
            "The header of the compressed picture is truncated. Send the complete, original file."
        ) from error
    raise UndecodableImage(
        "The compressed picture starts like none that is known. Send the complete, original file."
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The marker segments of a JPEG up to its first scan: marker and payload.

    Raises:
        UndecodableImage: something other than a marker where one must be.
        struct.error: the data end before a scan begins.
    """
    position = len(_START_OF_JPEG)
    marker = 0
    while marker != _START_OF_SCAN:
        first, marker, length = struct.unpack_from(">BBH", data, position)
        if first == 0xFF and marker == 0xFF:  # fill byte
            position += 1
            continue
        if first != 0xFF or length < 2:
            raise UndecodableImage(
                "The header of the compressed picture is broken. Send the original file."
            )
        end = position + 2 + length
        yield marker, data[position + 4 : end]
        position = end


def _jpeg(data: bytes) -> Codestream:
    found = None
    for marker, payload in _segments(data):
        if marker in _OTHER_FRAMES:
            raise UnsupportedType(
                "The picture is compressed by a JPEG process that is not read: only baseline, "
                "lossless, JPEG-LS and JPEG 2000 are. Send it uncompressed."
            )
        if marker in _PROCESSES:
            bits, rows, columns, components = struct.unpack_from(">BHHB", payload)
            process = _PROCESSES[marker]
            halvings = 3 if process == "JPEG" else 0
            found = found or Codestream(
                process, data, columns, rows, bits, False, components, halvings
            )
    if found is None:
        raise UndecodableImage("The JPEG has no frame header. Send the complete, original file.")
    return found


def _jpeg_2000(data: bytes) -> Codestream:
    """The SIZ segment (T.800 annex A.5.1) and the number of wavelet decompositions."""
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    components, precision = struct.unpack_from(">HB", data, 40)
    position = 4 + struct.unpack_from(">H", data, 4)[0]
    while data[position : position + 2] != _CODING_DEFAULT:
        if data[position] != 0xFF:
            raise UndecodableImage("The JPEG 2000 header is broken. Send the original file.")
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return Codestream(
        process="JPEG 2000",
        data=data,
        columns=right - left,
        rows=bottom - top,
        bits=(precision & 0x7F) + 1,
        signed=precision >= 0x80,
        components=components,
        halvings=data[position + 9],
    )
