"""DICOM files that are small and cost a reader much."""

import struct
import zlib

EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
_UNDEFINED = 0xFFFFFFFF
SEQUENCE = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, _UNDEFINED)
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, _UNDEFINED)
EMPTY_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)


def meta(syntax: str) -> bytes:
    """The beginning of a file of a transfer syntax, up to its data set."""
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM\x02\x00\x10\x00UI" + struct.pack("<H", len(value)) + value


def tiny_elements(count: int) -> bytes:
    """So many elements without a value, eight bytes each."""
    return b"".join(struct.pack("<HH2sH", 9, n & 0xFFFF, b"LO", 0) for n in range(count))


def deflated(megabytes: int, content: bytes) -> bytes:
    """A data set that inflates to so many times 2^20 bytes of the content."""
    deflater = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    block = content * (2**20 // len(content))
    return b"".join(deflater.compress(block) for _ in range(megabytes)) + deflater.flush()
