"""What the node itself reads of an image that arrives; all else is the service's to judge."""

import hashlib
from dataclasses import dataclass
from io import BytesIO

from service.pacs.errors import NotUnderstood

_KEYWORDS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "ImageType",
    "SourceImageSequence",
    "Manufacturer",
]
# an X-ray is made from one or two; a list of thousands is not looked up
_MOST_SOURCES = 16


@dataclass(frozen=True)
class Header:
    """Which image it is.

    Attributes:
        sop_class: UID of its SOP class.
        instance: its SOP Instance UID.
        study: Study Instance UID.
        series: Series Instance UID.
        image_type: the values of Image Type, in capitals.
        sources: SOP Instance UIDs of the images that it says it was made from.
        manufacturer: of the device, or of the program, that made it.
        transfer_syntax: UID.
        pixel_sha256: of everything from the pixel data on, as it is encoded; the elements before
            may be coerced on the way of an image that stays the same.
    """

    sop_class: str
    instance: str
    study: str
    series: str
    image_type: tuple[str, ...]
    sources: tuple[str, ...]
    manufacturer: str
    transfer_syntax: str
    pixel_sha256: str

    def check(self, instance: str, sop_class: str) -> None:
        """Compare it with what the sender announced.

        Raises:
            NotUnderstood: they differ.
        """
        if (self.instance, self.sop_class) != (instance, sop_class):
            raise NotUnderstood("The data set is of another class or instance than announced.")

    def shows_the_same(self, pixel_sha256: str, transfer_syntax: str) -> bool:
        """Whether an earlier image of this UID may have had these pixels.

        Pixels that were encoded otherwise on the way cannot be compared without decoding them, and
        count as the same.
        """
        return transfer_syntax != self.transfer_syntax or pixel_sha256 == self.pixel_sha256

    @property
    def is_secondary(self) -> bool:
        """Whether it was made after the examination, as the node's own results are."""
        return self.image_type[1:2] == ("SECONDARY",)

    @property
    def is_derived(self) -> bool:
        """Whether its samples were computed from those of another image."""
        return self.image_type[:1] == ("DERIVED",)


def read_header(data: bytes) -> Header:
    """Read a part-10 file up to its pixel data.

    Raises:
        NotUnderstood: it is not a data set, names no instance or study, or has no pixel data.
    """
    import pydicom  # takes longer than `pneumonia pacs --help` may

    stream = BytesIO(data)
    try:
        dataset = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=[*_KEYWORDS])
        pixels = memoryview(data)[stream.tell() :]
        header = Header(
            sop_class=str(dataset.get("SOPClassUID") or ""),
            instance=str(dataset.get("SOPInstanceUID") or ""),
            study=str(dataset.get("StudyInstanceUID") or ""),
            series=str(dataset.get("SeriesInstanceUID") or ""),
            image_type=_values(dataset.get("ImageType")),
            sources=tuple(
                str(item.get("ReferencedSOPInstanceUID") or "")
                for item in (dataset.get("SourceImageSequence") or ())[:_MOST_SOURCES]
            ),
            manufacturer=str(dataset.get("Manufacturer") or ""),
            transfer_syntax=str(dataset.file_meta.TransferSyntaxUID),
            pixel_sha256=hashlib.sha256(pixels).hexdigest(),
        )
    except Exception as error:
        raise NotUnderstood("This is not a DICOM data set.") from error
    if not (header.sop_class and header.instance and header.study and header.series):
        raise NotUnderstood("The data set lacks the UID of its class, study, series or instance.")
    if not pixels:
        raise NotUnderstood("The data set holds no pixel data.")
    return header


def _values(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    parts = [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]
    return tuple(str(part).strip().upper() for part in parts)
