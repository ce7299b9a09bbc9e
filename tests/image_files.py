"""PNG, JPEG and TIFF files written byte by byte, in forms that libraries do not write."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by samples a pixel

Samples = NDArray[np.uint8] | NDArray[np.uint16]


def chest_like(height: int = 64, width: int = 48, white: int = 255) -> NDArray[np.uint16]:
    """Grey levels 0 to ``white`` that differ everywhere, uint16 ``[height, width]``."""
    rows, columns = np.mgrid[0:height, 0:width]
    shape = rows * 3 + columns * 5 + 40 * np.sin(rows / 7) * np.cos(columns / 5) + 40
    grey: NDArray[np.uint16] = np.rint(shape / shape.max() * white).astype(np.uint16)
    return grey


def png_chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    """One chunk of a PNG; ``crc`` where it shall be a wrong one."""
    right = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc or right)


def png(samples: Samples, chunks: Sequence[bytes] = ()) -> bytes:
    """A PNG of ``[height, width]`` or ``[height, width, 1..4]`` samples; chunks before IDAT."""
    pixels = samples if samples.ndim == 3 else samples[..., np.newaxis]
    height, width, bands = pixels.shape
    depth = pixels.dtype.itemsize * 8
    header = struct.pack(">IIBBBBB", width, height, depth, _PNG_COLOUR_TYPES[bands], 0, 0, 0)
    big_endian = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = b"".join(b"\0" + row.tobytes() for row in big_endian)
    return b"".join(
        (
            PNG_SIGNATURE,
            png_chunk(b"IHDR", header),
            *chunks,
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        )
    )


def jpeg(grey: NDArray[np.uint8], segments: Sequence[bytes] = ()) -> bytes:
    """A grey JPEG of quality 95 with segments behind its first marker."""
    stream = BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=95)
    data = stream.getvalue()
    return data[:2] + b"".join(segments) + data[2:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """One segment of a JPEG, its length right."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def tiff(
    samples: NDArray[np.generic],
    order: Literal["<", ">"] = "<",
    deflated: bool = False,
    photometric: int | None = None,
    extra_tags: dict[int, int] | None = None,
) -> bytes:
    """A TIFF of one strip of ``[height, width]`` or ``[height, width, bands]`` samples.

    Args:
        samples: of any integer or float type, which the tags state.
        order: ``<`` or ``>``.
        deflated: compressed by zlib (Adobe deflate), else as they are.
        photometric: by default RGB for three bands or more, else black is zero.
        extra_tags: short values that replace or join the usual ones.
    """
    pixels = samples if samples.ndim == 3 else samples[..., np.newaxis]
    height, width, bands = pixels.shape
    body = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    if deflated:
        body = zlib.compress(body)
    bits = pixels.dtype.itemsize * 8
    colour = bands >= 3
    sample_format = {"u": 1, "i": 2, "f": 3, "c": 6}[pixels.dtype.kind]
    tags: dict[int, tuple[int, ...]] = {
        256: (width,),
        257: (height,),
        258: (bits,) * bands,
        259: (8 if deflated else 1,),
        262: (2 if colour else 1,) if photometric is None else (photometric,),
        273: (8,),
        277: (bands,),
        278: (height,),
        279: (len(body),),
        339: (sample_format,) * bands,
    }
    extra_bands = bands - (3 if colour else 1)
    if extra_bands:
        tags[338] = (2,) * extra_bands
    tags |= {tag: (value,) for tag, value in (extra_tags or {}).items()}
    body += b"\0" * (len(body) % 2)
    directory = 8 + len(body)
    tail = directory + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, numbers in sorted(tags.items()):
        kind, letter = (4, "I") if max(numbers) > 0xFFFF or tag in (273, 279) else (3, "H")
        packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(packed) > 4:
            field = struct.pack(f"{order}I", tail + len(values))
            values += packed
        else:
            field = packed.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + field
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HI", 42, directory) + body
    count = struct.pack(f"{order}H", len(tags))
    return head + count + entries + b"\0\0\0\0" + values
