"""DICOM files to fuzz: real ones, mutated where parsers and codecs look.

The seeds are the real files of pydicom and pydicom-data that show one grey frame, each turned into
a chest radiograph by its header so that its pixels are really decoded, and one picture compressed
as JPEG, of which there is no real file.
"""

import random
import re
import struct
from io import BytesIO

import pydicom
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from benchmarks import mutations
from benchmarks.dicom_files import as_radiograph, real_file, real_files
from benchmarks.fuzzing import Target, outcome_of
from service.imaging.dicom_pool import DicomPool

_EXPLICIT_HEADER = re.compile(rb"[A-Z]{2}[\0-\x40][\0-\x02]")
_SIMPLE = (mutations.flip, mutations.overwrite, mutations.truncate, mutations.delete)


def readable_files() -> list[bytes]:
    """The seeds: every real file that is read once it claims to be a chest radiograph."""
    files = (as_radiograph(path.read_bytes()) for path in real_files().values())
    with DicomPool() as pool:
        return [
            data
            for data in (*files, _as_jpeg(real_file("image_dfl.dcm")))
            if outcome_of(data, pool) == "read"
        ]


def _as_jpeg(data: bytes) -> bytes:
    """The same picture as JPEG baseline."""
    dataset = pydicom.dcmread(BytesIO(data))
    stream = BytesIO()
    Image.fromarray(dataset.pixel_array).save(stream, "JPEG")
    dataset.Modality = "CR"
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    stream = BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def _mutate(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    choice = rng.randrange(len(_SIMPLE) + 2)
    if choice < len(_SIMPLE):
        _SIMPLE[choice](data, rng, _place)
    elif choice == len(_SIMPLE):
        mutations.splice(data, rng, _place, others)
    else:
        _relength(data, rng)


def _place(data: bytearray, rng: random.Random) -> int:
    """Somewhere: in the header, in the first of the pixel data where codecs look, or anywhere."""
    pixels = max(data.find(b"\xe0\x7f\x10\0"), 0)
    start = (pixels, pixels + 700)
    low, high = rng.choice(((0, pixels), start, start, (0, len(data))))
    return min(rng.randrange(low, max(high, low + 1)), len(data) - 1)


def _relength(data: bytearray, rng: random.Random) -> None:
    """Change an element's length, or what its value representation makes of it."""
    headers = list(_EXPLICIT_HEADER.finditer(data, 0, 10_000))
    if headers:
        place = rng.choice(headers).start() + rng.choice((0, 2, 2, 4))
        data[place : place + 2] = struct.pack("<H", rng.choice((0, 1, 3, 0xFFFE, 0xFFFF)))


DICOM = Target("DICOM", readable_files, _mutate)
