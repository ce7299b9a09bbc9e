"""The evidence image of an answer: a Secondary Capture of the X-ray with the evidence over it."""

from io import BytesIO

import numpy as np
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from service.pacs.finding import Finding

_BANNER_SHARE = 1 / 24


def make_capture(finding: Finding, overlay: bytes) -> Dataset:
    """The evidence image, with a line under it that says what it is.

    Args:
        finding: the answer.
        overlay: PNG of ``/explain``.

    Returns:
        An RGB image in the study of the X-ray.
    """
    source = finding.source
    capture = SCImage(
        pixel_array=_with_banner(overlay, finding),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=source.StudyInstanceUID,
        series_number=9002,
        series_description=f"AI {finding.looked_for}: evidence map"[:64],
        patient_id=source.PatientID,
        patient_name=source.PatientName,
        patient_birth_date=source.PatientBirthDate or None,
        patient_sex=source.PatientSex,
        accession_number=source.AccessionNumber,
        study_id=source.StudyID,
        study_date=source.StudyDate or None,
        study_time=source.StudyTime or None,
        referring_physician_name=source.ReferringPhysicianName,
        patient_orientation=("L", "F"),
        specific_character_set=source.get("SpecificCharacterSet"),
        **finding.common("capture"),
    )
    capture.copy_patient_and_study_information(source)
    capture.PatientOrientation = source.get("PatientOrientation", "")
    # the service judges nothing else; it is no paired part of the body, so there is no laterality
    capture.BodyPartExamined = "CHEST"
    capture.ImageComments = _sentence(finding)
    capture.DerivationDescription = "Evidence map over the X-ray; not the outline of a lesion."
    capture.SourceImageSequence = [_reference(source)]
    capture.BurnedInAnnotation = source.get("BurnedInAnnotation", "NO")
    finding.fix_times(capture)
    capture.DateOfSecondaryCapture = capture.ContentDate
    capture.TimeOfSecondaryCapture = capture.ContentTime
    return capture


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    return item


def _sentence(finding: Finding) -> str:
    return (
        f"{finding.decision}; probability {finding.content['probability']:.2f} "
        f"({finding.row.operating_point}); {finding.model_name} {finding.model_version}; "
        "not verified, not a medical device"
    )


def _with_banner(
    overlay: bytes, finding: Finding
) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    with Image.open(BytesIO(overlay)) as opened:
        overlaid = opened.convert("RGB")
    height = max(14, round(overlaid.width * _BANNER_SHARE))
    whole = Image.new("RGB", (overlaid.width, overlaid.height + height))
    whole.paste(overlaid)
    draw = ImageDraw.Draw(whole)
    text = _sentence(finding)
    size = height * 0.6
    font = ImageFont.load_default(size)
    width = draw.textlength(text, font=font)
    if width > whole.width * 0.98:
        font = ImageFont.load_default(size * whole.width * 0.98 / width)
    middle = overlaid.height + height / 2
    draw.text((whole.width * 0.01, middle), text, "white", font, anchor="lm")
    return np.asarray(whole)
