"""How much work an image will be, from its first bytes, before it is admitted."""

import struct

# Units are what an average chest X-ray (1.6 megapixels, 270 kB of JPEG) costs on one core; the
# shares were measured with benchmarks/ and only their ratios matter, since the seconds a unit
# takes are learnt while serving.
_INFERENCE = 0.5
_PER_JPEG_BYTE = 0.5 / 270_000
_PER_PIXEL = 1.5 / 1_600_000
_PER_BYTE = 0.5 / 500_000

# A file may announce any size; one beyond the limit is refused quickly, not decoded.
_MOST = 200.0

_PNG_SIZE = struct.Struct(">II")
_PNG_SIZE_OFFSET = 16
_BMP_SIZE = struct.Struct("<ii")
_BMP_SIZE_OFFSET = 18


def expected_units(data: bytes) -> float:
    """Expected work for one encoded image, > 0, where 1 is an average chest X-ray.

    JPEG costs by its bytes (it is decoded to a reduced size), PNG and BMP by the pixels they
    announce, anything else by its bytes.
    """
    if data.startswith(b"\xff\xd8\xff"):
        work = len(data) * _PER_JPEG_BYTE
    elif data.startswith(b"\x89PNG") and len(data) >= _PNG_SIZE_OFFSET + _PNG_SIZE.size:
        width, height = _PNG_SIZE.unpack_from(data, _PNG_SIZE_OFFSET)
        work = width * height * _PER_PIXEL
    elif data.startswith(b"BM") and len(data) >= _BMP_SIZE_OFFSET + _BMP_SIZE.size:
        width, height = _BMP_SIZE.unpack_from(data, _BMP_SIZE_OFFSET)
        work = abs(width * height) * _PER_PIXEL
    else:
        work = len(data) * _PER_BYTE
    return min(_INFERENCE + work, _MOST)
