"""Made DICOM files: any picture in any transfer syntax, with any attribute changed."""

from io import BytesIO
from typing import Any, TypeAlias

import jpeg_ls
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.lossless_jpeg import encode_lossless

Samples: TypeAlias = NDArray[np.integer[Any]]

NATIVE = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}
ENCODED = {
    "RLE": RLELossless,
    "JPEG": JPEGBaseline8Bit,
    "JPEG extended": JPEGExtended12Bit,
    "JPEG lossless": JPEGLosslessSV1,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
}
LOSSLESS = (*NATIVE, "RLE", "JPEG lossless", "JPEG-LS", "JPEG 2000")


def shadows(rows: int = 96, columns: int = 80, bits: int = 12, seed: int = 0) -> Samples:
    """A picture with broad shadows, edges and noise that uses most of its range, uint16."""
    y, x = np.mgrid[:rows, :columns] / min(rows, columns)
    grey = 0.5 + 0.3 * np.sin(5 * x) * np.cos(4 * y) + 0.15 * (x > y)
    noise = np.random.default_rng(seed).normal(0, 0.01, grey.shape)
    samples: Samples = ((grey + noise).clip(0, 1) * ((1 << bits) - 1)).astype(np.uint16)
    return samples


def radiograph(samples: Samples, bits: int = 12, **changes: Any) -> Dataset:
    """An uncompressed CR image of ``bits`` stored bits.

    Args:
        samples: ``[rows, columns]``; the pixel data have their byte size and their sign.
        bits: bits stored.
        changes: attributes by keyword; None takes one away.
    """
    dataset = Dataset()
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "1.2.3.4.3"
    dataset.StudyInstanceUID = "1.2.3.4.1"
    dataset.SeriesInstanceUID = "1.2.3.4.2"
    dataset.Modality = "CR"
    dataset.PatientName = "Secret^Name"
    dataset.PatientID = "secret-id"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "AP"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = samples.shape
    dataset.BitsAllocated = 8 * samples.itemsize
    dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(samples.dtype.kind == "i")
    dataset.PixelData = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def file_bytes(dataset: Dataset, syntax: str = "explicit", preamble: bool = True) -> bytes:
    """The data set as a part-10 file; pixel data are compressed where ``syntax`` says so."""
    dataset.file_meta = FileMetaDataset()
    uid = NATIVE.get(syntax) or ENCODED[syntax]
    dataset.file_meta.TransferSyntaxUID = uid
    if syntax in ENCODED:
        dataset.PixelData = encapsulate([compressed(dataset, syntax)], has_bot=False)
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    elif syntax == "big endian":
        words = np.frombuffer(dataset.PixelData, "<u2")
        dataset.PixelData = words.astype(">u2").tobytes()
    stream = BytesIO()
    if syntax == "big endian":
        dataset.save_as(stream, enforce_file_format=True, implicit_vr=False, little_endian=False)
    else:
        dataset.save_as(stream, enforce_file_format=True)
    data = stream.getvalue()
    return data if preamble else data[132:]


def compressed(dataset: Dataset, syntax: str) -> bytes:
    """The data set's native little-endian samples as one compressed frame."""
    bits = int(dataset.BitsStored)
    cells = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")
    cells = cells.reshape(dataset.Rows, dataset.Columns)
    match syntax:
        case "RLE":
            return run_lengths(cells)
        case "JPEG lossless":
            return encode_lossless(cells & ((1 << bits) - 1), bits)
        case "JPEG-LS":
            kept = (cells & ((1 << bits) - 1)).astype(cells.dtype)
            return bytes(jpeg_ls.encode_buffer(kept.tobytes(), *cells.shape, 1, bits))
        case "JPEG 2000":
            return _pillow(Image.fromarray(cells), "JPEG2000", irreversible=False, no_jp2=True)
        case _:
            return _pillow(Image.fromarray(cells.astype(np.uint8)), "JPEG", quality=95)


def run_lengths(cells: Samples) -> bytes:
    """RLE by PS3.5 annex G, literal runs only, the high byte's segment first."""
    planes = [
        cells.astype(cells.dtype.newbyteorder(">")).tobytes()[n :: cells.itemsize]
        for n in range(cells.itemsize)
    ]
    segments = []
    for plane in planes:
        runs = b"".join(
            bytes([len(run) - 1]) + run
            for start in range(0, len(plane), 128)
            for run in [plane[start : start + 128]]
        )
        segments.append(runs + b"\0" * (len(runs) % 2))
    offsets = [64 + sum(len(segment) for segment in segments[:n]) for n in range(len(segments))]
    header = np.array([len(segments), *offsets], "<u4").tobytes()
    return header.ljust(64, b"\0") + b"".join(segments)


def lut(entries: Samples, first: int, bits: int, packed: bool = False) -> Sequence:
    """A modality or VOI LUT sequence with one table."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [entries.size % 65536, first % 65536, bits])
    item.add_new("LUTData", "OW", entries.astype("u1" if packed else "<u2").tobytes())
    return Sequence([item])


def read(data: bytes) -> pydicom.FileDataset:
    """The file as pydicom reads it."""
    return pydicom.dcmread(BytesIO(data), force=True)


def _pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
