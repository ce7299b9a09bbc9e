"""Encoded bytes to a grey radiograph. Its first bytes say what a file is; names and headers lie."""

import struct
from contextlib import nullcontext

from service.errors import Overloaded, UndecodableImage, UnsupportedType
from service.imaging import file_structure, raster
from service.imaging.dicom_pool import DicomPool
from service.imaging.radiograph import Limits, Radiograph

FORMATS = (*raster.FORMATS, "DICOM")

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)

# PS3.10 section 7.1
_PREAMBLE = 128
_DICOM = b"DICM"
_VALUE_REPRESENTATIONS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US "
    b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()
)


def recognise(data: bytes) -> str | None:
    """The format that the first bytes announce: one of ``FORMATS``, or None."""
    # first, because a DICOM file's preamble may make it look like another format, too (PS3.10 7.1)
    if _looks_like_dicom(data):
        return "DICOM"
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return None


def _looks_like_dicom(data: bytes) -> bool:
    """Whether the first bytes are a DICOM file's, with its preamble or (often seen) without."""
    if data[_PREAMBLE : _PREAMBLE + len(_DICOM)] == _DICOM:
        return True
    # without it a file starts with group 2 or 8, low element numbers first, and a short value
    for order, groups in (("<", (2, 8)), (">", (8,))):
        if len(data) < 8:
            return False
        group, element, representation, _ = struct.unpack_from(f"{order}HH2sH", data)
        if group in groups and element <= 0xFF:
            (length,) = struct.unpack_from(f"{order}I", data, 4)
            return representation in _VALUE_REPRESENTATIONS or length <= 0xFF
    return False


def decode(
    data: bytes, limits: Limits, at_least: int | None = None, pool: DicomPool | None = None
) -> Radiograph:
    """Decode one encoded image.

    Args:
        data: the whole file.
        limits: what may be decoded at all.
        at_least: where given, the decoder may return a smaller image as long as neither side
            falls below this many pixels (JPEG scales while decoding, which is much faster). The
            radiograph's ``width`` and ``height`` stay those of the original.
        pool: the processes that read DICOM files; without it, each file gets one of its own, which
            takes about half a second to start.

    Raises:
        UndecodableImage: empty, truncated or corrupt.
        UnsupportedType: no known image type, or one that is refused.
        TooLarge: more pixels than the limits allow.
        NotAChestXray: too few pixels to show a chest, or a file that says it shows something else.
        Overloaded: there is no memory for it now.
    """
    if not data:
        raise UndecodableImage("The upload is empty. Send the bytes of one image.")
    name = recognise(data)
    if name is None:
        other = file_structure.known_but_not_read(data)
        found = f"The file is {other}" if other else "The first bytes belong to no known image type"
        raise UnsupportedType(f"{found}. Send {', '.join(FORMATS)}.")
    try:
        if name == "DICOM":
            with nullcontext(pool) if pool else DicomPool() as processes:
                return processes.decode(data, limits)
        return raster.decode(name, data, limits, at_least)
    except MemoryError as error:
        raise Overloaded(
            "There is no memory to decode the image now. Try again later, or send a smaller one.",
            retry_after=1,
        ) from error
