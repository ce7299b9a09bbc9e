"""What JPEG, PNG and TIFF files say of themselves, read without decoding a pixel.

Decoders answer an intact file of a form that they lack just like a broken one. Who sent the file
must be told the difference, so the forms that are not read are recognised here by name.
"""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

from PIL.TiffImagePlugin import ImageFileDirectory_v2 as Tags

from service.errors import UnsupportedType

# what to say with every refusal of a form
SEND_INSTEAD = "Send an 8-bit JPEG, an 8- or 16-bit PNG, or the original DICOM file."

# first bytes, and where they stand, of formats that people do send
_KNOWN_BUT_NOT_READ = (
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 codestream"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL file"),
    (0, b"\xff\x0a", "a JPEG XL codestream"),
    (4, b"ftypavif", "an AVIF file"),
    (4, b"ftyphei", "a HEIF file"),
    (4, b"ftypmif1", "a HEIF file"),
    (4, b"ftyp", "a video file"),
    (0, b"GIF8", "a GIF file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "gzip-compressed data"),
    (344, b"n+1\x00", "a NIfTI volume"),
    (0, b"NRRD", "an NRRD volume"),
    (0, b"<svg", "an SVG drawing"),
)

# JPEG markers that start a frame (ITU-T T.81, table B.1); DHT, JPG and DAC lie among them
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_READ_FRAMES = {0xC0, 0xC1, 0xC2}
_FRAME_NAMES = {0xC3: "a lossless JPEG", 0xF7: "a JPEG-LS file"}
_ARITHMETIC_FRAMES = range(0xC9, 0xD0)
_START_OF_SCAN = 0xDA

# TIFF 6.0 and the registrations of libtiff (tiff.h)
_TIFF_COMPRESSIONS_READ = {1, 5, 6, 7, 8, 32773, 32946}
_TIFF_COMPRESSIONS = {
    **dict.fromkeys((2, 3, 4, 32771), "fax compression, which holds black and white only"),
    **dict.fromkeys((33003, 33004, 33005, 34712), "JPEG 2000 compression"),
    34661: "JBIG compression",
    34676: "SGI LogL compression",
    34677: "SGI LogL compression",
    34887: "LERC compression",
    34892: "lossy JPEG compression of raw camera data",
    34925: "LZMA compression",
    50000: "Zstandard compression",
    50001: "WebP compression",
    50002: "JPEG XL compression",
}
_TIFF_WIDTH = 256
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_COMPRESSION = 259
_TIFF_PHOTOMETRIC = 262
_TIFF_EXTRA_SAMPLES = 338
_TIFF_SAMPLE_FORMAT = 339
_TIFF_SAMPLE_FORMATS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_BIG_TIFF = (b"II+\x00", b"MM\x00+")

_PNG_SIGNATURE_BYTES = 8
_PNG_CHUNK_OVERHEAD = 12  # length, type, CRC
# what pixels and their orientation depend on; other chunks in lower case only describe
_PNG_CHUNKS_KEPT = {b"tRNS", b"acTL", b"fcTL", b"fdAT"}


def known_but_not_read(data: bytes) -> str | None:
    """The name, with its article, of a file format that is recognised and not read."""
    for offset, signature, name in _KNOWN_BUT_NOT_READ:
        if data.startswith(signature, offset):
            return name
    return None


def check_jpeg(data: bytes) -> None:
    """Refuse JPEG processes other than baseline, extended and progressive Huffman of 8 bits.

    Raises:
        UnsupportedType: which process it is.
    """
    for marker, start, end in _jpeg_segments(data):
        if marker not in _FRAME_MARKERS and marker not in _FRAME_NAMES:
            continue
        bits = data[start + 4] if end > start + 4 else 8
        if marker in _FRAME_NAMES:
            raise UnsupportedType(
                f"The file is {_FRAME_NAMES[marker]} of {bits} bits, which is read only inside "
                f"DICOM. {SEND_INSTEAD}"
            )
        if marker in _ARITHMETIC_FRAMES:
            raise UnsupportedType(
                f"The file is a JPEG with arithmetic coding, which is not read. {SEND_INSTEAD}"
            )
        if marker not in _READ_FRAMES:
            raise UnsupportedType(
                f"The file is a hierarchical JPEG, which is not read. {SEND_INSTEAD}"
            )
        if bits != 8:
            raise UnsupportedType(
                f"The file is a JPEG of {bits} bits a sample, which is not read. {SEND_INSTEAD}"
            )
        return


def check_png(data: bytes) -> None:
    """Refuse the variant of PNG that Apple's tools make for apps; its pixels lie differently.

    Raises:
        UnsupportedType: it is that variant.
    """
    if data[12:16] == b"CgBI":
        raise UnsupportedType(
            f"The file is a PNG in Apple's CgBI variant, which is not read. {SEND_INSTEAD}"
        )


def tiff_tags(data: bytes) -> Tags:
    """The tags of the first page; raises what Pillow raises where they cannot be read."""
    stream = BytesIO(data)
    header = stream.read(16 if data[:4] in _BIG_TIFF else 8)
    tags = Tags(header)
    stream.seek(tags.next)
    tags.load(stream)
    if _TIFF_WIDTH not in tags:
        raise SyntaxError("the tags are not in the file, or not whole")
    return tags


def check_tiff(tags: Tags) -> None:
    """Refuse TIFF compressions and sample formats that are not read, by a page's tags.

    Raises:
        UnsupportedType: which compression or sample format it is.
    """
    compression = tags.get(_TIFF_COMPRESSION, 1)
    if compression not in _TIFF_COMPRESSIONS_READ:
        name = _TIFF_COMPRESSIONS.get(compression, f"compression {compression}")
        raise UnsupportedType(f"The TIFF has {name}, which is not read. {SEND_INSTEAD}")
    bits = max(tags.get(_TIFF_BITS_PER_SAMPLE, (1,)))
    formats = set(tags.get(_TIFF_SAMPLE_FORMAT, (1,))) & set(_TIFF_SAMPLE_FORMATS)
    for number in formats:
        raise UnsupportedType(
            f"The TIFF has {_TIFF_SAMPLE_FORMATS[number]} samples of {bits} bits, which have no "
            f"agreed range from black to white. {SEND_INSTEAD}"
        )
    if bits > 16:
        raise UnsupportedType(
            f"The TIFF has samples of {bits} bits, which have no agreed range from black to "
            f"white. {SEND_INSTEAD}"
        )


def has_undeclared_bands(tags: Tags) -> bool:
    """Whether nothing says what the bands beside grey or colour mean, so that they are no alpha."""
    return _TIFF_EXTRA_SAMPLES not in tags


def unread_tiff(tags: Tags) -> UnsupportedType:
    """The refusal of a TIFF whose arrangement of samples Pillow does not know."""
    bits = tags.get(_TIFF_BITS_PER_SAMPLE, (1,))
    return UnsupportedType(
        f"The TIFF has {len(bits)} sample(s) a pixel of {', '.join(map(str, bits))} bits with "
        f"photometric interpretation {tags.get(_TIFF_PHOTOMETRIC)}, which is not read. "
        f"{SEND_INSTEAD}"
    )


def without_jpeg_metadata(data: bytes) -> bytes:
    """The JPEG without application segments and comments, but with Exif and Adobe's colour flag."""
    kept = [data[:2]]
    at = 2
    for marker, start, end in _jpeg_segments(data):
        body = data[start + 4 : start + 9]
        describes = marker == 0xFE or 0xE0 <= marker <= 0xEF
        if not describes or body.startswith(b"Adobe") or (marker == 0xE1 and body[:4] == b"Exif"):
            kept.append(data[start:end])
        at = end
    return b"".join((*kept, data[at:]))


def without_png_metadata(data: bytes) -> bytes:
    """The PNG without chunks that only describe it; Exif stays where its CRC fits."""
    view = memoryview(data)
    kept = [view[:_PNG_SIGNATURE_BYTES]]
    at = _PNG_SIGNATURE_BYTES
    while at + _PNG_CHUNK_OVERHEAD <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        end = at + _PNG_CHUNK_OVERHEAD + length
        whole = zlib.crc32(view[at + 4 : end - 4]) == int.from_bytes(view[end - 4 : end])
        if kind[:1].isupper() or kind in _PNG_CHUNKS_KEPT or (kind == b"eXIf" and whole):
            kept.append(view[at:end])
        at = end
    return b"".join((*kept, view[at:]))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment before the first scan, as far as they are whole."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _START_OF_SCAN:
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end > len(data):
            return
        yield marker, at, end
        at = end
