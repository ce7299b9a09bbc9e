"""DICOM radiographs: what they say of themselves, which of them are read, and how."""

import re

from PIL import Image

from service.errors import NotAChestXray, UndecodableImage, UnsupportedType
from service.imaging.dicom_elements import Elements
from service.imaging.dicom_grey import to_grey
from service.imaging.dicom_reader import first_item, read_elements
from service.imaging.dicom_samples import (
    COMPRESSED,
    NATIVE,
    RLE,
    Layout,
    read_layout,
    read_samples,
)
from service.imaging.dicom_tags import Tag
from service.imaging.dicom_terms import (
    OTHER_MODALITIES,
    OTHER_PARTS,
    OTHER_SYNTAXES,
    OTHER_VIEW_CODES,
    OTHER_VIEWS,
    READ_MODALITIES,
    SAGITTAL,
)
from service.imaging.radiograph import Limits, PredictionWarning, Radiograph, Uids
from service.imaging.raster import check_size

_DAYS_PER_AGE_UNIT = {"D": 1, "W": 7, "M": 365.25 / 12, "Y": 365.25}


def decode_dicom(data: bytes, limits: Limits, at_least: int | None) -> Radiograph:
    """A part-10 file, or a data set without its header, that holds one frontal chest X-ray.

    Grey, of modality CR or DX, one frame, 8 to 16 bits stored, uncompressed or compressed as
    docs/dicom.md lists. Everything that can be refused is refused by the header, before decoding.

    Args:
        data: the whole file.
        limits: what may be decoded.
        at_least: see :func:`service.imaging.decode.decode`; JPEG and JPEG 2000 are decoded smaller.

    Raises:
        UndecodableImage: truncated, corrupt, or contradicting itself.
        UnsupportedType: another modality, several frames, colour, or a compression not read.
        NotAChestXray: another view or body part by its own words, or too few pixels.
        TooLarge: more pixels than the limits allow.
    """
    elements = read_elements(data, limits.max_pixels)
    _refuse_other_kinds(elements)
    _refuse_other_pictures(elements)
    layout = read_layout(elements)
    check_size(layout.columns, layout.rows, limits)
    samples = read_samples(elements, layout, _halvings(elements, layout, at_least))
    pixels, warnings = to_grey(elements, layout, samples)
    return Radiograph(
        image=Image.fromarray(pixels),
        format="DICOM",
        width=layout.columns,
        height=layout.rows,
        bit_depth=layout.stored,
        warnings=warnings + _burned_in(elements),
        age_years=_age_years(elements.text(Tag.PATIENT_AGE)),
        uids=Uids(
            study=_uid(elements, Tag.STUDY_INSTANCE_UID),
            series=_uid(elements, Tag.SERIES_INSTANCE_UID),
            instance=_uid(elements, Tag.SOP_INSTANCE_UID),
        ),
    )


def _refuse_other_kinds(elements: Elements) -> None:
    """Refuse objects that are no single grey radiograph, or that nothing here can decompress."""
    modality = elements.text(Tag.MODALITY)
    if modality not in READ_MODALITIES:
        known = modality in OTHER_MODALITIES
        found = f"of modality {modality}" if known else "of another modality, or names none"
        raise UnsupportedType(
            f"The DICOM file is {found}; only radiographs (CR, DX) are read. Send the X-ray itself."
        )
    if elements.syntax not in NATIVE | RLE | COMPRESSED:
        name = OTHER_SYNTAXES.get(elements.syntax, "an unknown transfer syntax")
        raise UnsupportedType(
            f"The picture is stored as {name}, which is not read. Send it uncompressed or "
            "losslessly compressed."
        )
    if (elements.number(Tag.NUMBER_OF_FRAMES) or 1) > 1:
        raise UnsupportedType("The DICOM file holds several frames. Send one X-ray a file.")
    photometric = elements.text(Tag.PHOTOMETRIC_INTERPRETATION)
    if not photometric:
        raise UndecodableImage(
            "The DICOM file does not say whether its low values are black or white "
            "(PhotometricInterpretation). Export it again."
        )
    grey = photometric in ("MONOCHROME1", "MONOCHROME2")
    if not grey or elements.short(Tag.SAMPLES_PER_PIXEL) not in (1, None):
        raise UnsupportedType("The DICOM file holds a colour picture. Send the grey original.")


def _refuse_other_pictures(elements: Elements) -> None:
    """Refuse what the file itself says is no frontal view of a chest."""
    code = first_item(elements, Tag.VIEW_CODE_SEQUENCE)
    if (
        _letters(elements.text(Tag.VIEW_POSITION)) in OTHER_VIEWS
        or (code is not None and code.text(Tag.CODE_VALUE) in OTHER_VIEW_CODES)
        or elements.text(Tag.PATIENT_ORIENTATION).startswith(SAGITTAL)
    ):
        raise NotAChestXray(
            "The DICOM file says that this is a lateral or oblique view. Send a frontal one."
        )
    if _letters(elements.text(Tag.BODY_PART_EXAMINED)) in OTHER_PARTS:
        raise NotAChestXray(
            "The DICOM file says that this shows another part of the body. Send a chest X-ray."
        )


def _letters(text: str) -> str:
    return re.sub("[^A-Z]", "", text.upper())


def _halvings(elements: Elements, layout: Layout, at_least: int | None) -> int:
    """How often the picture may be halved with both sides still >= twice ``at_least``.

    A wavelet's small picture is sharper than an average, which moves answers where it is used as it
    is; twice the size leaves the averaging to the resize.
    """
    if at_least is None or Tag.PIXEL_PADDING_VALUE in elements:
        return 0  # padding must not be mixed with its neighbours
    return max(0, (min(layout.rows, layout.columns) // (2 * at_least)).bit_length() - 1)


def _burned_in(elements: Elements) -> tuple[PredictionWarning, ...]:
    if elements.text(Tag.BURNED_IN_ANNOTATION) != "YES":
        return ()
    sentence = (
        "The file says that text is burned into its pixels, maybe the patient's name. "
        "Mind where the picture goes."
    )
    return (PredictionWarning("burned_in_annotation", sentence),)


def _age_years(text: str) -> int | None:
    """Completed years of a DICOM age such as ``018M``; None where there is none that is valid."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", text)
    if match is None:
        return None
    return int(int(match[1]) * _DAYS_PER_AGE_UNIT[match[2]] / 365.25 + 1e-9)


def _uid(elements: Elements, tag: Tag) -> str | None:
    uid = elements.text(tag)
    return uid if re.fullmatch(r"[0-9.]{1,64}", uid) else None
