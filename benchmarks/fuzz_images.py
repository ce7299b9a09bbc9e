"""JPEG, PNG, TIFF, WebP and BMP files to fuzz: one real X-ray in every kind a format has."""

import random
import struct
import zlib
from functools import cache, partial
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import mutations
from benchmarks.dicom_files import real_file
from benchmarks.fuzzing import Target, outcome_of
from service.imaging.decode import decode
from service.imaging.radiograph import Limits

_SOURCE = "RG1_UNCR.dcm"  # the chest of pydicom-data
_SIDE = 160
_SIMPLE = (
    mutations.flip,
    mutations.overwrite,
    mutations.renumber,
    mutations.renumber,
    mutations.truncate,
    mutations.delete,
)
_PNG_SIGNATURE = 8
_SIDEWAYS = 6

# Pillow's mode and what to save it with
_KINDS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "JPEG": [
        ("L", {}),
        ("L", {"progressive": True}),
        ("RGB", {"subsampling": 2, "restart_marker_blocks": 4}),
        ("RGB", {"progressive": True, "quality": 95}),
        ("CMYK", {}),
        ("L", {"exif": "sideways"}),
    ],
    "PNG": [
        *((mode, {}) for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16")),
        ("P", {"transparency": 0}),
        ("L", {"compress_level": 0}),
    ],
    "TIFF": [
        ("L", {}),
        ("I;16", {}),
        *(
            (mode, {"compression": compression})
            for mode in ("L", "RGB", "I;16")
            for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits")
        ),
        ("RGB", {"compression": "jpeg"}),
        ("L", {"save_all": True, "append_images": "twice"}),
        ("RGBA", {}),
    ],
    "WEBP": [
        ("RGB", {}),
        ("RGB", {"lossless": True}),
        ("RGBA", {"lossless": True}),
        ("RGBA", {"quality": 50}),
        ("RGB", {"save_all": True, "append_images": "twice"}),
    ],
    "BMP": [(mode, {}) for mode in ("1", "L", "P", "RGB")],
}


@cache
def _chest() -> Image.Image:
    return decode(real_file(_SOURCE), Limits()).image.resize((_SIDE, _SIDE + 16))


def _seeds(name: str) -> list[bytes]:
    found = [_file(name, mode, options) for mode, options in _KINDS[name]]
    refused = [number for number, data in enumerate(found) if outcome_of(data) != "read"]
    if refused:
        raise ValueError(f"seeds {refused} of {name} are not read")
    return found


def _file(name: str, mode: str, options: dict[str, Any]) -> bytes:
    chest = _chest()
    if mode == "I;16":
        chest = Image.fromarray(np.asarray(chest).astype(np.uint16) * 16)
    else:
        chest = chest.convert(mode)
    options = dict(options)
    if options.get("exif") == "sideways":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = _SIDEWAYS
    if "append_images" in options:
        options["append_images"] = [chest]
    stream = BytesIO()
    chest.save(stream, name, **options)
    return stream.getvalue()


def _mutate(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    choice = rng.randrange(len(_SIMPLE) + 1)
    if choice < len(_SIMPLE):
        _SIMPLE[choice](data, rng, mutations.anywhere)
    else:
        mutations.splice(data, rng, mutations.anywhere, others)


def _mend_png(data: bytearray) -> None:
    """Give each chunk the checksum of what it holds now."""
    place = _PNG_SIGNATURE
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            return
        struct.pack_into(">I", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4


IMAGES = tuple(
    Target(
        name,
        partial(_seeds, name),
        _mutate,
        mend=_mend_png if name == "PNG" else None,
        prints=100 if name == "TIFF" else 0,
    )
    for name in _KINDS
)
