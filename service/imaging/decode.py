"""Encoded bytes to a grey radiograph. Its first bytes say what a file is; names and headers lie."""

from collections.abc import Callable
from typing import TypeAlias

from service.errors import Overloaded, UndecodableImage, UnsupportedType
from service.imaging import file_structure, raster
from service.imaging.dicom import decode_dicom
from service.imaging.dicom_reader import looks_like_dicom
from service.imaging.radiograph import Limits, Radiograph

Decoder: TypeAlias = Callable[[bytes, Limits, int | None], Radiograph]

# first bytes -> format; a file format's decoder stands in DECODERS
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)

DECODERS: dict[str, Decoder] = {
    "JPEG": raster.decode_jpeg,
    "PNG": raster.decode_png,
    "BMP": raster.decode_bmp,
    "TIFF": raster.decode_tiff,
    "WEBP": raster.decode_webp,
    "DICOM": decode_dicom,
}


def recognise(data: bytes) -> str | None:
    """The format that the first bytes announce: a key of ``DECODERS``, or None."""
    # first, because a DICOM file's preamble may make it look like another format, too (PS3.10 7.1)
    if looks_like_dicom(data):
        return "DICOM"
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return None


def decode(data: bytes, limits: Limits, at_least: int | None = None) -> Radiograph:
    """Decode one encoded image.

    Args:
        data: the whole file.
        limits: what may be decoded at all.
        at_least: where given, the decoder may return a smaller picture as long as neither side
            falls below this many pixels (JPEG scales while decoding, which is much faster). The
            radiograph's ``width`` and ``height`` stay those of the original.

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
        raise UnsupportedType(f"{found}. Send {', '.join(DECODERS)}.")
    try:
        return DECODERS[name](data, limits, at_least)
    except MemoryError as error:
        raise Overloaded(
            "There is no memory to decode the image now. Try again later, or send a smaller one.",
            retry_after=1,
        ) from error
