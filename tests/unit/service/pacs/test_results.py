"""What is filed of an answer."""

import json
import re
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from service.pacs.errors import Failed
from service.pacs.finding import uid_of
from service.pacs.inbox import Inbox
from service.pacs.results import make_results
from service.pacs.settings import PacsSettings
from service.pacs.spool import Spool
from service.pacs.store import Row, Store
from tests.dicom import file_bytes
from tests.needs import program
from tests.pacs import SC, SR, xray

ANSWER: dict[str, Any] = {
    "decision": "pneumonia",
    "probability": 0.9876,
    "subtype": "bacterial",
    "operating_point": {"name": "balanced", "threshold": 0.5},
    "input_check": {"accepted": True, "distance": 7.1, "limit": 12.5},
    "model": {"name": "pneumonia", "version": "1.0", "sha256": "ab" * 32},
    "warnings": [{"code": "percentile_window", "detail": "A window was made up."}],
}
REFUSAL = {"code": "not_a_chest_xray", "detail": "Send a chest X-ray.", "distance": 20.0}


class _Answered:
    """An answered image, and its results."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.spool, self.store = Spool(folder), Store(folder / "node.sqlite")
        image = xray(1, **changes)
        inbox = Inbox(PacsSettings(), self.spool, self.store)
        inbox.take(file_bytes(image), image.SOPInstanceUID, image.SOPClassUID, "CR1")
        picture = BytesIO()
        Image.new("RGB", (300, 200), (10, 90, 40)).save(picture, "PNG")
        [row] = self.store.rows("1")
        self.row = replace(
            row,
            state="answered",
            model_sha256="ab" * 32,
            answer=json.dumps(ANSWER),
            overlay=picture.getvalue(),
            answered_at=1.7e9,
        )

    def results(self, row: Row | None = None, **changes: Any) -> list[Dataset]:
        """With another answer where one is given."""
        row = row or self.row
        if changes:
            row = replace(row, answer=json.dumps({**ANSWER, **changes}))
        assert row.file
        return make_results(row, self.spool.path(row.file))


@pytest.fixture
def answered(tmp_path: Path) -> _Answered:
    """A bacterial pneumonia."""
    return _Answered(tmp_path)


def written(result: Dataset) -> bytes:
    """As it is sent."""
    stream = BytesIO()
    result.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def said(report: Dataset) -> str:
    """All codes, numbers and texts of a report."""
    return report.to_json()


def test_there_are_a_report_and_a_picture_in_the_study_of_the_image(answered: _Answered) -> None:
    report, picture = answered.results()
    assert (report.SOPClassUID, picture.SOPClassUID) == (SR, SC)
    image = xray(1)
    for result in (report, picture):
        assert result.StudyInstanceUID == image.StudyInstanceUID
        assert result.SeriesInstanceUID != image.SeriesInstanceUID
        assert result.PatientName == image.PatientName
    assert picture.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert report.VerificationFlag == "UNVERIFIED"
    assert report.PreliminaryFlag == "PRELIMINARY"
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"


def test_made_anew_they_are_the_same_bytes(answered: _Answered) -> None:
    assert [written(r) for r in answered.results()] == [written(r) for r in answered.results()]


@pytest.mark.parametrize(
    "change",
    [{"model_sha256": "cd" * 32}, {"operating_point": "screening"}],
)
def test_each_model_and_operating_point_has_uids_of_its_own(
    answered: _Answered, change: dict[str, Any]
) -> None:
    others = answered.results(replace(answered.row, **change))
    for result, other in zip(answered.results(), others, strict=True):
        assert result.SOPInstanceUID != other.SOPInstanceUID
        assert re.fullmatch(r"2\.25\.[1-9]\d{1,38}", other.SOPInstanceUID)


def test_each_image_has_uids_of_its_own() -> None:
    assert uid_of("1.2.3", "ab", "balanced", "report") != uid_of(
        "1.2.4", "ab", "balanced", "report"
    )


def test_a_report_holds_who_answered_what(answered: _Answered) -> None:
    text = said(answered.results()[0])
    for part in (
        "Not a medical device",
        "233604007",
        "52101004",
        "0.9876",
        "53084003",
        "sha256=" + "ab" * 32,
        "operating_point=balanced",
        "ACCEPTED",
        "percentile_window: A window was made up.",
        xray(1).SOPInstanceUID,
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("decision", "presence"), [("normal", "272519000"), ("uncertain", "82334004")]
)
def test_where_there_is_no_pneumonia_none_is_named_as_a_finding(
    answered: _Answered, decision: str, presence: str
) -> None:
    report = answered.results(decision=decision, subtype=None)[0]
    text = said(report)
    assert presence in text
    assert "52101004" not in text
    assert "121071" not in text


def test_above_a_screening_threshold_a_person_must_look_and_nothing_is_found(
    answered: _Answered,
) -> None:
    point = {**ANSWER["operating_point"], "purpose": "screening"}
    report, picture = answered.results(operating_point=point, subtype=None)
    text = said(report)
    assert "82334004" in text
    assert "Above the screening threshold, a person must look." in text
    assert "a person must look" in picture.ImageComments
    for found in ("52101004", "121071", "75570004"):
        assert found not in text


def test_a_model_of_other_classes_is_filed_in_its_own_words(answered: _Answered) -> None:
    own: dict[str, Any] = {"finding": "tuberculosis or abscess", "subtype": "tuberculosis"}
    report, picture = answered.results(**own)
    text = said(report)
    for part in (
        "FINDING_TUBERCULOSIS_OR_ABSCESS",
        "52101004",
        "KIND_TUBERCULOSIS",
        "AI tuberculosis or abscess: report",
    ):
        assert part in text, part
    assert picture.ImageComments.startswith("tuberculosis or abscess; ")
    nothing = answered.results(**{**own, "decision": "normal", "subtype": None})[1]
    assert nothing.ImageComments.startswith("no tuberculosis or abscess; ")
    for result in (text, said(picture), said(nothing)):
        # the codes are of pneumonia and of the lung
        for named in ("AI pneumonia", "kind of pneumonia", "233604007", "39607008"):
            assert named not in result


def test_words_of_any_language_are_written_beside_the_patients_name(answered: _Answered) -> None:
    for result in answered.results(finding="Lungenentz\u00fcndung", subtype="\u80ba\u708e"):
        read = pydicom.dcmread(BytesIO(written(result)))
        assert read.PatientName == xray(1).PatientName
        assert "Lungenentz\u00fcndung" in read.SeriesDescription


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"decision": "normal", "subtype": None},
        {"decision": "uncertain", "subtype": None, "warnings": []},
        {"operating_point": {"name": "screening", "threshold": 0.2, "purpose": "screening"}},
        {"finding": "tuberculosis or abscess", "subtype": "tuberculosis"},
        {"input_check": {"accepted": None, "distance": None, "limit": None}},
        REFUSAL,
    ],
)
def test_every_kind_of_result_conforms_to_the_standard(
    answered: _Answered, tmp_path: Path, changes: dict[str, Any]
) -> None:
    row = replace(answered.row, answer=json.dumps(changes), overlay=None)
    results = answered.results(row) if changes is REFUSAL else answered.results(**changes)
    for result in results:
        file = tmp_path / "result.dcm"
        file.write_bytes(written(result))
        judged = subprocess.run(
            [program("dciodvfy", "dicom3tools"), file], capture_output=True, text=True
        )
        assert "Error" not in judged.stderr, judged.stderr
        if result.SOPClassUID == SR:
            subprocess.run([program("dsrdump", "dcmtk"), file], check=True, capture_output=True)


def test_a_refusal_has_a_report_and_no_picture(answered: _Answered) -> None:
    row = replace(answered.row, answer=json.dumps(REFUSAL), overlay=None)
    [report] = answered.results(row)
    text = said(report)
    assert "NOT_ASSESSED" in text
    assert "not_a_chest_xray: Send a chest X-ray." in text
    assert "233604007" not in text


def test_values_that_the_standard_forbids_are_left_out(tmp_path: Path) -> None:
    changes = {"PatientBirthDate": "1.1.70", "PatientSex": "female", "StudyDate": "soon"}
    report, picture = _Answered(tmp_path, **changes).results()
    for result in (report, picture):
        assert not result.PatientBirthDate
        assert not result.PatientSex
        assert not result.StudyDate


def test_an_image_whose_file_is_broken_fails(answered: _Answered) -> None:
    assert answered.row.file
    answered.spool.path(answered.row.file).write_bytes(b"broken")
    with pytest.raises(Failed):
        answered.results()
