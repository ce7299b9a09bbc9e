"""The image that results are about: its patient and study, as far as they can be copied."""

from pathlib import Path
from typing import Any

import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

from service.pacs.errors import Failed

# of the Patient and General Study modules; missing ones are left empty, as is allowed for each
_COPIED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# copied where they are there
_OPTIONAL = (
    "SpecificCharacterSet",
    "Modality",
    "IssuerOfPatientID",
    "StudyDescription",
    "PatientAge",
    "PatientOrientation",
    "ImagerPixelSpacing",
    "BurnedInAnnotation",
)
_NEEDED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Rows",
    "Columns",
)


def read_source(path: Path) -> Dataset:
    """What results copy of an image.

    Values that the standard forbids, which real files have, are left out.

    Args:
        path: of the whole image.

    Returns:
        A data set with all of ``_COPIED`` and ``_NEEDED``.

    Raises:
        Failed: it cannot be read, or lacks what is needed.
    """
    keywords = [*_COPIED, *_OPTIONAL, *_NEEDED]
    try:
        image = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*keywords])
    except Exception as error:
        raise Failed("The file of the image cannot be read.") from error
    source = Dataset()
    for keyword in keywords:
        value = _valid(image, keyword)
        if value is not None:
            setattr(source, keyword, value)
        elif keyword in _COPIED:
            setattr(source, keyword, "")
        elif keyword in _NEEDED:
            raise Failed(f"The image has no valid {keyword}.")
    if source.PatientSex not in ("M", "F", "O"):
        source.PatientSex = ""
    return source


def _valid(image: Dataset, keyword: str) -> Any:
    """A value that may be written; None where there is none."""
    try:
        element = image[keyword]
        value = element.value
        for part in value if isinstance(value, MultiValue) else [value]:
            written = str(part) if element.VR in ("DS", "IS", "PN") else part
            validate_value(element.VR, written, config.RAISE)
    except Exception:  # noqa: BLE001 - of a broken value, or where there is none
        return None
    return value if element.VM else None
