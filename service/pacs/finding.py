"""An answer about an image, with what all results say of themselves."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset

from service import __version__
from service.pacs.store import Row

MANUFACTURER = "pneumonia-detection"
PNEUMONIA = "pneumonia"
SCREENED = "above the screening threshold, a person must look"
# of the names that UIDs are made from; never to be changed
_NAMESPACE = uuid.UUID("3b0c7f0e-5a34-4f0c-9d3e-7a1d6a2f9c11")


@dataclass(frozen=True)
class Finding:
    """An answer about an image, as results tell it.

    Attributes:
        row: the image.
        source: what results copy of it.
        content: what the service said.
        at: when.
    """

    row: Row
    source: Dataset
    content: dict[str, Any]
    at: datetime

    @property
    def refused(self) -> bool:
        """Whether there is no decision."""
        return "decision" not in self.content

    @property
    def only_screened(self) -> bool:
        """Whether the answer is `pneumonia` of an operating point for screening.

        It means no more than that a person must look (docs/answers.md).
        """
        point = self.content.get("operating_point", {})
        screening = point.get("purpose") == "screening"
        return screening and self.content.get("decision") == "pneumonia"

    @property
    def looked_for(self) -> str:
        """What the model's labels of disease mean together: pneumonia, or its own."""
        return str(self.content.get("finding", PNEUMONIA))

    @property
    def decision(self) -> str:
        """The decision in words: `pneumonia` and `normal` stand for what the model looks for."""
        if self.only_screened:
            return SCREENED
        decision, name = str(self.content["decision"]), self.looked_for
        if name == PNEUMONIA:
            return decision
        return {"pneumonia": name, "normal": f"no {name}"}.get(decision, decision)

    @property
    def model_name(self) -> str:
        """Of the model that answered; refusals do not name it."""
        return str(self.content.get("model", {}).get("name", "pneumonia"))

    @property
    def model_version(self) -> str:
        """Of the model that answered."""
        return str(self.content.get("model", {}).get("version", "unknown"))

    def uid(self, kind: str) -> str:
        """A UID for a result of this answer, the same every time (PS3.5 annex B.2)."""
        row = self.row
        return uid_of(row.sop_instance_uid, row.model_sha256 or "", row.operating_point, kind)

    def series_uid(self, kind: str) -> str:
        """A UID for the series of such results: one for each study, model and operating point."""
        row = self.row
        return uid_of(row.study_instance_uid, row.model_sha256 or "", row.operating_point, kind)

    def common(self, kind: str) -> dict[str, Any]:
        """Attributes that all results have, as highdicom's arguments."""
        return {
            "series_instance_uid": self.series_uid(f"{kind} series"),
            "sop_instance_uid": self.uid(kind),
            "instance_number": self.row.id,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": f"{self.model_name} {self.model_version}"[:64],
            "software_versions": __version__,
            "device_serial_number": (self.row.model_sha256 or "")[:64],
        }

    def fix_times(self, result: Dataset) -> None:
        """Put the time of the answer wherever the time of making would stand."""
        date, time = self.at.strftime("%Y%m%d"), self.at.strftime("%H%M%S")
        for keyword in ("InstanceCreation", "Content"):
            setattr(result, f"{keyword}Date", date)
            setattr(result, f"{keyword}Time", time)
        result.TimezoneOffsetFromUTC = "+0000"
        for item in result.get("ContributingEquipmentSequence", ()):
            item.ContributionDateTime = f"{date}{time}"


def uid_of(*parts: str) -> str:
    """A UID of a name."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '|'.join(parts)).int}"
