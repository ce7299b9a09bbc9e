"""Made DICOM files: any image in any transfer syntax, with any attribute changed."""

from io import BytesIO
from typing import Any, TypeAlias

import gdcm
import jpeg_ls
import numpy as np
import pydicom
from numpy.typing import NDArray
from openjpeg.utils import encode_array
from PIL import Image
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.tag import Tag
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
    JPEGLSNearLossless,
    RLELossless,
)

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
    "JPEG-LS near-lossless": JPEGLSNearLossless,
    "JPEG 2000": JPEG2000Lossless,
}
LOSSLESS = (
    *NATIVE,
    "RLE",
    "JPEG lossless",
    "JPEG-LS",
    "JPEG 2000",
)
NEAR = 3  # what a sample of near-lossless JPEG-LS may be off


def shadows(rows: int = 96, columns: int = 80, bits: int = 12, seed: int = 0) -> Samples:
    """An image with broad shadows, edges and noise that uses most of its range, uint16."""
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
    _change(dataset, changes)
    return dataset


def file_bytes(
    dataset: Dataset,
    syntax: str = "explicit",
    preamble: bool = True,
    frame: bytes | None = None,
    encapsulated: bytes | None = None,
    **changes: Any,
) -> bytes:
    """The data set as a part-10 file; pixel data are compressed where ``syntax`` says so.

    Args:
        dataset: what :func:`radiograph` made.
        syntax: a key of ``NATIVE`` or ``ENCODED``.
        preamble: whether the file has its first 132 bytes.
        frame: takes the place of the compressed image.
        encapsulated: takes the place of the compressed pixel data.
        changes: attributes that the header states wrongly, by keyword.
    """
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = NATIVE.get(syntax) or ENCODED[syntax]
    if syntax in ENCODED:
        samples = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")
        samples = samples.reshape(dataset.Rows, dataset.Columns)
        if frame is None:
            frame = frame_of(syntax, samples, dataset.BitsStored)
        dataset.PixelData = encapsulated or encapsulate([frame], has_bot=False)
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    elif syntax == "big endian" and "PixelData" in dataset:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    _change(dataset, changes)
    stream = BytesIO()
    encoding = {"implicit_vr": False, "little_endian": False} if syntax == "big endian" else {}
    with disable_value_validation():
        dataset.preamble = bytes(128)
        dataset.save_as(stream, enforce_file_format="SOPClassUID" in dataset, **encoding)
    data = stream.getvalue()
    return data if preamble else data[132:]


class RawText(str):
    """A value that is written as it is, also where its value representation forbids it."""


def _change(dataset: Dataset, changes: dict[str, Any]) -> None:
    with disable_value_validation():  # real files are not always valid either
        for keyword, value in changes.items():
            if keyword in dataset:
                delattr(dataset, keyword)  # an element keeps the validation it was made with
            if isinstance(value, RawText):
                tag = Tag(keyword)
                text = value.encode() + b" " * (len(value) % 2)
                dataset[tag] = RawDataElement(
                    tag, dictionary_VR(tag), len(text), text, 0, False, True
                )
            elif value is not None:
                setattr(dataset, keyword, value)


def frame_of(syntax: str, samples: Samples, bits: int) -> bytes:
    """Samples as one compressed frame of ``bits`` bits; JPEG and near-lossless lose some detail."""
    kept: Samples = (samples & ((1 << bits) - 1)).astype(np.uint16)
    if bits <= 8:
        kept = kept.astype(np.uint8)
    match syntax:
        case "RLE":
            return run_lengths(samples)
        case "JPEG lossless":
            return lossless_jpeg(kept, bits)
        case "JPEG-LS":
            return bytes(jpeg_ls.encode_buffer(kept.tobytes(), *kept.shape, 1, bits))
        case "JPEG-LS near-lossless":
            return bytes(jpeg_ls.encode_buffer(kept.tobytes(), *kept.shape, 1, bits, NEAR))
        case "JPEG 2000":
            return bytes(encode_array(kept, bits_stored=bits))
        case _:
            stream = BytesIO()
            Image.fromarray(kept.astype(np.uint8)).save(stream, "JPEG", quality=95)
            return stream.getvalue()


def lossless_jpeg(samples: Samples, bits: int) -> bytes:
    """JPEG lossless, first-order prediction."""
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((samples.shape[1], samples.shape[0], 1))
    image.SetPixelFormat(gdcm.PixelFormat(1, 8 * samples.itemsize, bits, bits - 1, 0))
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    pixel_data = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixel_data.SetByteStringValue(samples.tobytes())
    image.SetDataElement(pixel_data)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    image.thisown = False  # GDCM itself gives it up
    change.SetInput(image)
    assert change.Change()
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    text: str = fragments.GetFragment(0).GetByteValue().GetBuffer()
    return text.encode("utf-8", "surrogateescape")


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
