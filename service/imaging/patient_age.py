"""The patient's age, from whatever a DICOM header states of it; it is compared, never repeated."""

import re
from datetime import date

from pydicom.dataset import Dataset

from service.imaging.dicom_header import text

_DAYS_A_UNIT = {"D": 1, "W": 7, "M": 365.25 / 12, "Y": 365.25}
# 042Y as the standard has it, and what else is found: 42, 42Y, 3 W, 6 months, 2Y 3M
_AGE = re.compile(r"(\d{1,3}) ?(?:YEARS?|YRS?|Y|MONTHS?|MOS?|M|WEEKS?|WKS?|W|DAYS?|D)")
_YEARS = re.compile(r"\d{1,3}")
# 19500131, and 1950.01.31 of the standard's predecessor
_DATE = re.compile(r"(\d{4})([.\-/]?)(\d\d)\2(\d\d)")
_TAKEN = ("StudyDate", "AcquisitionDate", "ContentDate", "SeriesDate")


def age_years(dataset: Dataset) -> int | None:
    """Completed years, from PatientAge, else from PatientBirthDate and the date of the image.

    Returns:
        None where neither states an age that can be read.
    """
    stated = _stated(text(dataset, "PatientAge"))
    if stated is not None:
        return stated
    born = _date(text(dataset, "PatientBirthDate"))
    taken = next(filter(None, (_date(text(dataset, keyword)) for keyword in _TAKEN)), None)
    if born is None or taken is None or taken < born:
        return None
    return taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))


def _stated(age: str) -> int | None:
    """A number without a unit is one of years."""
    if _YEARS.fullmatch(age):
        return int(age)
    parts = list(_AGE.finditer(age))
    if not parts or _AGE.sub("", age).strip(" ,"):
        return None
    days = sum(int(part[1]) * _DAYS_A_UNIT[part[0].strip("0123456789 ")[0]] for part in parts)
    return int(days / 365.25 + 1e-9)


def _date(digits: str) -> date | None:
    match = _DATE.fullmatch(digits)
    try:
        return match and date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None
