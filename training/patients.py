"""Whose image a file is, by what its name or its header says."""

import re
from pathlib import Path, PurePath

from training.samples import PatientFrom

# the published sets of children (Kermany 2018) and of adults (NIH), as they always were
_PUBLISHED = re.compile(
    r"^(?P<child>person\d+_(?:bacteria|virus)|(?:NORMAL2-)?IM-\d+)|^(?P<adult>\d{8})_\d{3}"
)
# CheXpert's patient00001/study1/, MIMIC's p10000032/, BIDS' sub-S03047_ses-
_USUAL = re.compile(
    r"(?:^|[/_-])(patient[-_ ]?\d+|p\d{8}|sub-[a-z0-9]+)(?![a-z0-9])", re.IGNORECASE
)
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def recognise_patient(path: Path, inside: PurePath) -> tuple[str, PatientFrom]:
    """The patient of a file, and what told.

    Args:
        path: the file; only that of DICOM is opened.
        inside: its path below the folder of its class, whose folders may name the patient.

    Returns:
        The patient's name, unique in its data set. Where nothing tells, the file is a patient of
        its own, which makes a leak out of two images of one person.
    """
    match = _PUBLISHED.match(path.name)
    if match:
        return next(filter(None, match.groups())), "file name"
    usual = _USUAL.search(inside.as_posix())
    if usual:
        return usual.group(1).lower(), "file name"
    if path.suffix.lower() in _DICOM_SUFFIXES:
        patient = _patient_id(path)
        if patient:
            return f"DICOM {patient}", "DICOM header"
    return inside.as_posix(), "nothing"


def _patient_id(path: Path) -> str | None:
    import pydicom  # takes longer than `pneumonia train --help` may
    from pydicom.errors import InvalidDicomError

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"])
    except (InvalidDicomError, OSError, ValueError, EOFError):
        return None  # the reading of the image says what is wrong with it
    return str(header.get("PatientID") or "").strip() or None
