"""Which DICOM object an image is, as answers and problems name it where they are asked to."""

from pydantic import BaseModel, ConfigDict

from service.imaging.radiograph import Uids


class UidsAnswer(BaseModel):
    """Which DICOM object the image is; each null where the file names none."""

    model_config = ConfigDict(frozen=True)

    study_instance_uid: str | None
    series_instance_uid: str | None
    sop_instance_uid: str | None


def describe_uids(uids: Uids | None) -> UidsAnswer | None:
    """The UIDs of a DICOM file; None of another file."""
    if uids is None:
        return None
    return UidsAnswer(
        study_instance_uid=uids.study,
        series_instance_uid=uids.series,
        sop_instance_uid=uids.instance,
    )
