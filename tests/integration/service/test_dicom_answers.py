"""DICOM through the whole application: answered like the same image, refused with the reason."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.errors import ModelFileError
from service.imaging.decode import decode
from service.imaging.dicom_pool import DicomPool
from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel
from tests.client import AppClient
from tests.conftest import ServiceFactory
from tests.dicom import RawText, file_bytes, radiograph, shadows
from tests.images import encode, image_bytes
from tests.tiny_model import write_tiny_model

OUTSIDE = "outside_training_population"
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
UIDS = {
    "study_instance_uid": "1.2.3.4.1",
    "series_instance_uid": "1.2.3.4.2",
    "sop_instance_uid": "1.2.3.4.3",
}


@pytest.fixture
def dicom() -> bytes:
    return file_bytes(radiograph(shadows(160, 128), **WINDOW, PatientAge="045Y"))


@pytest.fixture
def png(dicom: bytes, dicom_pool: DicomPool) -> bytes:
    """The same image."""
    return encode(decode(dicom, Limits(), pool=dicom_pool).image, "PNG")


def test_dicom_is_answered_like_the_same_image_as_png(
    client: AppClient, dicom: bytes, png: bytes
) -> None:
    answers = [client.post("/predict", files={"file": data}).json() for data in (dicom, png)]
    assert answers[0]["probability"] == pytest.approx(answers[1]["probability"], abs=1e-6)
    assert answers[0]["decision"] == answers[1]["decision"]
    assert answers[0]["image"] == {"format": "DICOM", "width": 128, "height": 160, "bit_depth": 12}
    drawn = [
        np.asarray(Image.open(BytesIO(client.post("/explain", files={"file": data}).content)))
        for data in (dicom, png)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_it_may_be_the_body_itself(client: AppClient, dicom: bytes) -> None:
    headers = {"content-type": "application/dicom"}
    assert client.post("/predict", content=dicom, headers=headers).status_code == 200


def test_answers_hold_nothing_of_the_patient(client: AppClient, dicom: bytes) -> None:
    for path in ("/predict", "/predict?uids=true"):
        text = client.post(path, files={"file": dicom}).text
        assert not [secret for secret in ("Secret", "secret-id", "045Y") if secret in text]


def test_uids_come_only_where_asked_for(client: AppClient, dicom: bytes, png: bytes) -> None:
    assert "uids" not in client.post("/predict", files={"file": dicom}).json()
    asked = client.post("/predict", params={"uids": "true"}, files={"file": dicom}).json()
    assert asked["uids"] == UIDS
    of_png = client.post("/predict", params={"uids": "true"}, files={"file": png}).json()
    assert "uids" not in of_png


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "unsupported_type"),
    ({"ViewPosition": "LL"}, "not_a_chest_xray"),
    ({"NumberOfFrames": "-1"}, "undecodable_image"),
    ({"Rows": 40_000, "Columns": 40_000}, "too_large"),
]


@pytest.mark.parametrize(("changes", "code"), REFUSED)
def test_a_refusal_names_the_uids_where_they_are_asked_for(
    client: AppClient, changes: dict[str, Any], code: str
) -> None:
    data = file_bytes(radiograph(shadows(160, 128), **{**WINDOW, **changes}))
    silent = client.post("/predict", files={"file": data}).json()
    assert (silent["code"], "uids" in silent) == (code, False)
    asked = client.post("/predict?uids=true", files={"file": data}).json()
    assert (asked["code"], asked["uids"]) == (code, UIDS)
    batch = client.post("/predict/batch?uids=true", files=[("files", data)]).json()
    assert batch["results"][0]["problem"]["uids"] == UIDS
    half = client.post("/predict?uids=true", content=data[: len(data) // 2]).json()
    assert (half["code"], half["uids"]) in [(code, UIDS), ("undecodable_image", UIDS)]


def test_a_refusal_by_the_model_names_the_uids_too(client: AppClient) -> None:
    white = np.full((160, 128), 4095, np.uint16)
    data = file_bytes(radiograph(white, WindowCenter=100, WindowWidth=10))
    refused = client.post("/predict?uids=true", content=data).json()
    assert refused["distance"] > refused["limit"]
    assert refused["uids"] == UIDS


def test_a_refusal_of_another_format_names_none(client: AppClient) -> None:
    for data in (b"junk", image_bytes(grey=255)):
        assert "uids" not in client.post("/predict?uids=true", content=data).json()


def test_a_batch_takes_dicom_among_others(client: AppClient, dicom: bytes, png: bytes) -> None:
    lateral = file_bytes(radiograph(shadows(160, 128), ViewPosition="LL"))
    files = [("files", data) for data in (dicom, lateral, png)]
    results = client.post("/predict/batch", params={"uids": "true"}, files=files).json()["results"]
    assert results[0]["prediction"]["uids"] == UIDS
    assert results[1]["problem"]["code"] == "not_a_chest_xray"
    assert results[2]["prediction"]["image"]["format"] == "PNG"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"Modality": "MR"}, 415, "unsupported_type"),
        ({"NumberOfFrames": 3}, 415, "unsupported_type"),
        ({"BodyPartExamined": "LEG"}, 422, "not_a_chest_xray"),
        ({"ViewPosition": "RL"}, 422, "not_a_chest_xray"),
        ({"PixelData": b"\0\0"}, 400, "undecodable_image"),
    ],
)
def test_refusals_are_problems(
    client: AppClient, changes: dict[str, Any], status: int, code: str
) -> None:
    data = file_bytes(radiograph(shadows(160, 128), **changes))
    for path in ("/predict", "/explain"):
        response = client.post(path, files={"file": data})
        assert response.status_code == status
        assert response.json()["code"] == code


def test_too_many_pixels_are_too_large(start_service: ServiceFactory, dicom: bytes) -> None:
    client = start_service(max_pixels=160 * 128 - 1)
    response = client.post("/predict", files={"file": dicom})
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


AGES: list[tuple[dict[str, Any], list[str]]] = [
    ({"PatientAge": "045Y"}, [OUTSIDE]),
    ({"PatientAge": "011M"}, [OUTSIDE]),
    ({"PatientAge": "012M"}, []),
    ({"PatientAge": "005Y"}, []),
    ({"PatientAge": "006Y"}, [OUTSIDE]),
    ({"PatientAge": RawText("42")}, [OUTSIDE]),
    ({"PatientAge": ""}, ["age_unknown"]),
    ({"PatientAge": RawText("adult")}, ["age_unknown"]),
    ({}, ["age_unknown"]),
    ({"PatientBirthDate": "19500101", "StudyDate": "20200101"}, [OUTSIDE]),
    ({"PatientBirthDate": "20160101", "StudyDate": "20200101"}, []),
]


def test_patients_of_another_or_an_unknown_age_are_warned_of(
    start_service: ServiceFactory, tmp_path: Path
) -> None:
    model = tmp_path / "aged.onnx"
    write_tiny_model(model, population_age_years=(1, 5))
    client = start_service(model=model)
    for patient, expected in AGES:
        data = file_bytes(radiograph(shadows(160, 128), **WINDOW, **patient))
        warnings = client.post("/predict", files={"file": data}).json()["warnings"]
        assert [warning["code"] for warning in warnings] == expected, patient
        details = " ".join(warning["detail"] for warning in warnings)
        assert not [stated for stated in patient.values() if stated and stated in details]
    # an image file states no age, and gets no warning for want of one
    assert client.post("/predict", content=image_bytes(kind="PNG")).json()["warnings"] == []


def test_a_model_for_all_ages_warns_of_none(start_service: ServiceFactory, tmp_path: Path) -> None:
    model = tmp_path / "ageless.onnx"
    write_tiny_model(model, population_age_years=None)
    client = start_service(model=model)
    for age in ("045Y", ""):
        data = file_bytes(radiograph(shadows(160, 128), **WINDOW, PatientAge=age))
        assert client.post("/predict", files={"file": data}).json()["warnings"] == []


def test_no_figure_is_said_to_hold_outside_the_population(
    start_service: ServiceFactory, tmp_path: Path
) -> None:
    model = tmp_path / "aged.onnx"
    write_tiny_model(model, population_age_years=(1, 5), calibration_prevalence=0.5)
    client = start_service(model=model)
    found = {}
    for age in ("004Y", "064Y"):
        data = file_bytes(radiograph(shadows(160, 128), **WINDOW, PatientAge=age))
        answer = client.post("/predict", params={"prevalence": 0.1}, files={"file": data}).json()
        found[age] = answer["adjusted"]["positive_predictive_value"]
        sentences = [warning["detail"] for warning in answer["warnings"]]
        assert any("None of them holds for this patient" in one for one in sentences) == (
            age == "064Y"
        )
    assert found["004Y"] is not None
    assert found["064Y"] is None


def test_an_age_range_the_wrong_way_round_stops_the_start(tmp_path: Path) -> None:
    model = tmp_path / "wrong.onnx"
    write_tiny_model(model, population_age_years=(5, 1))
    with pytest.raises(ModelFileError, match="the youngest, then the oldest"):
        OnnxModel(model)
