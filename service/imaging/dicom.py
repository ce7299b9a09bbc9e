"""DICOM radiographs: what they say of themselves, which of them are read, and how."""

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import UID

from service.errors import NotAChestXray, PneumoniaError, UndecodableImage, UnsupportedType
from service.imaging.dicom_display import to_grey
from service.imaging.dicom_header import first_item, number, read_header, short, text
from service.imaging.dicom_pixels import Layout, read_layout, read_samples, truncated
from service.imaging.dicom_terms import (
    FRONTAL_VIEWS,
    MODALITIES,
    OTHER_MODALITIES,
    OTHER_PARTS,
    OTHER_VIEW_CODES,
    OTHER_VIEWS,
    SAGITTAL,
    SOP_CLASSES,
)
from service.imaging.patient_age import age_years
from service.imaging.radiograph import Limits, PredictionWarning, Radiograph, Source, Uids
from service.imaging.raster import check_size

# what pydicom and its plugins raise at bytes that are not what they claim to be
_BROKEN = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    InvalidDicomError,
    BytesLengthException,
)
_LONGEST_NAME = 64  # of a device (PS3.5 section 6.2, LO)


class DicomFile:
    """A part-10 file, or a data set without its header, that holds one frontal chest X-ray.

    Grey, one frame, 8 to 16 bits stored, uncompressed or compressed as docs/dicom.md lists.

    Attributes:
        layout: size and samples.
        source: which object it is, and of which device; an error says so too.
    """

    layout: Layout
    source: Source

    def __init__(self, data: bytes | bytearray, limits: Limits) -> None:
        """Read the header, and refuse by it whatever can be refused before decoding.

        Args:
            data: the whole file.
            limits: what may be decoded.

        Raises:
            UndecodableImage: truncated, corrupt, or contradicting itself.
            UnsupportedType: another modality, several frames or colour.
            NotAChestXray: another view or body part by its own words, or too few pixels.
            TooLarge: more pixels than the limits allow.
        """
        with _broken_header():
            self._dataset = read_header(data)
            self.source = _source(self._dataset)
        with self._told_source(), _broken_header():
            self._warnings = _check_kind(self._dataset)
            _check_view(self._dataset)
            self.layout = read_layout(self._dataset)
            check_size(self.layout.columns, self.layout.rows, limits)

    def decode(self) -> Radiograph:
        """Decode and show the pixels.

        Raises:
            UndecodableImage: truncated, corrupt, or at odds with the header.
            UnsupportedType: a compression that is not read.
            NotAChestXray: nothing but padding.
        """
        dataset, layout = self._dataset, self.layout
        with self._told_source():
            try:
                samples = read_samples(dataset, layout)
                pixels, warnings = to_grey(dataset, layout, samples)
            except _BROKEN as error:
                raise truncated() from error
        return Radiograph(
            image=Image.fromarray(pixels),
            format="DICOM",
            width=layout.columns,
            height=layout.rows,
            bit_depth=layout.stored,
            warnings=self._warnings + warnings + _burned_in(dataset),
            age_years=age_years(dataset),
            source=self.source,
        )

    @contextmanager
    def _told_source(self) -> Iterator[None]:
        """Let every refusal of this file say which object it is."""
        try:
            yield
        except PneumoniaError as error:
            error.source = self.source
            raise


@contextmanager
def _broken_header() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise UndecodableImage(
            "The DICOM header is truncated or corrupt. Send the complete, original file."
        ) from error


def _source(dataset: FileDataset) -> Source:
    return Source(
        Uids(
            study=_uid(dataset, "StudyInstanceUID"),
            series=_uid(dataset, "SeriesInstanceUID"),
            instance=_uid(dataset, "SOPInstanceUID"),
        ),
        text(dataset, "Manufacturer")[:_LONGEST_NAME],
        text(dataset, "ManufacturerModelName")[:_LONGEST_NAME],
    )


def _check_kind(dataset: FileDataset) -> tuple[PredictionWarning, ...]:
    """Refuse objects that are not a single grey radiograph."""
    warnings = _check_modality(dataset)
    frames = number(dataset, "NumberOfFrames")
    if frames is not None and frames != 1 and frames != 0:
        if frames > 1:
            raise UnsupportedType("The DICOM file holds several frames. Send one X-ray a file.")
        raise UndecodableImage("The DICOM file's number of frames is not a number above zero.")
    photometric = text(dataset, "PhotometricInterpretation")
    if not photometric:
        raise UndecodableImage(
            "The DICOM file does not say whether its low values are black or white "
            "(PhotometricInterpretation). Export it again."
        )
    grey = photometric in ("MONOCHROME1", "MONOCHROME2")
    if not grey or short(dataset, "SamplesPerPixel") not in (1, None):
        raise UnsupportedType("The DICOM file holds a colour image. Send the grey original.")
    return warnings


def _check_modality(dataset: FileDataset) -> tuple[PredictionWarning, ...]:
    """The modality decides; where it names none of the standard's, the SOP class does."""
    modality = text(dataset, "Modality")
    sop_class = text(dataset, "SOPClassUID") or str(
        dataset.file_meta.get("MediaStorageSOPClassUID", "")
    )
    if modality in MODALITIES:
        other = UID(sop_class).keyword
        if sop_class in SOP_CLASSES or "ImageStorage" not in other or "Secondary" in other:
            return ()
        sentence = (
            f"The file's modality is {modality}, but its SOP class that of another kind of image. "
            "It was read as a radiograph."
        )
        return (PredictionWarning("modality_contradiction", sentence),)
    if sop_class in SOP_CLASSES and modality not in OTHER_MODALITIES - {"OT"}:
        return ()
    found = (
        f"of modality {modality}"
        if modality in OTHER_MODALITIES
        else "of another modality, or names none"
    )
    although = ", although its SOP class is that of a radiograph" * (sop_class in SOP_CLASSES)
    raise UnsupportedType(
        f"The DICOM file is {found}{although}; only radiographs (CR, DX) are read. "
        "Send the X-ray itself."
    )


def _check_view(dataset: FileDataset) -> None:
    """Refuse what the file itself says is not a frontal view of a chest."""
    code = first_item(dataset, "ViewCodeSequence")
    if (
        any(
            _is_lateral(text(dataset, keyword))
            for keyword in ("ViewPosition", "BodyPartExamined", "SeriesDescription")
        )
        or (code is not None and text(code, "CodeValue") in OTHER_VIEW_CODES)
        or text(dataset, "PatientOrientation").startswith(SAGITTAL)
    ):
        raise NotAChestXray(
            "The DICOM file says that this is a lateral or oblique view. Send a frontal one."
        )
    if "".join(_letters(text(dataset, "BodyPartExamined"))) in OTHER_PARTS:
        raise NotAChestXray(
            "The DICOM file says that this shows another part of the body. Send a chest X-ray."
        )


def _is_lateral(description: str) -> bool:
    """Whether words name a lateral or oblique view; ``PA/LAT`` names a study of two views."""
    words = {*_letters(description), "".join(_letters(description))}
    return bool(words & OTHER_VIEWS) and not words & FRONTAL_VIEWS


def _letters(description: str) -> list[str]:
    return re.findall("[A-Z]+", description)


def _burned_in(dataset: FileDataset) -> tuple[PredictionWarning, ...]:
    if text(dataset, "BurnedInAnnotation") != "YES":
        return ()
    sentence = (
        "The file says that text is burned into its pixels, maybe the patient's name. "
        "Take care where the image is sent."
    )
    return (PredictionWarning("burned_in_annotation", sentence),)


def _uid(dataset: FileDataset, keyword: str) -> str | None:
    uid = text(dataset, keyword)
    return uid if re.fullmatch(r"[0-9.]{1,64}", uid) else None
