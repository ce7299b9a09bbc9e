"""``POST /predict``."""

from pathlib import Path

import numpy as np
import pytest

from tests.client import AppClient
from tests.conftest import ServiceFactory
from tests.dicom import file_bytes, radiograph, shadows
from tests.image_files import chest_like, jpeg, png
from tests.images import image_bytes
from tests.tiny_model import write_tiny_model


def test_answers_every_field(client: AppClient) -> None:
    response = client.post("/predict", files={"file": image_bytes(grey=170)})
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == {
        "request_id",
        "decision",
        "probability",
        "probabilities",
        "subtype",
        "operating_point",
        "input_check",
        "lungs",
        "image",
        "model",
        "timings_ms",
        "warnings",
    }
    assert answer["request_id"] == response.headers["x-request-id"]
    assert answer["decision"] == "pneumonia"
    probabilities = answer["probabilities"]
    assert answer["probability"] == pytest.approx(
        probabilities["bacterial"] + probabilities["viral"], abs=1e-6
    )
    assert answer["subtype"] == max(("bacterial", "viral"), key=probabilities.__getitem__)
    assert answer["operating_point"] == {
        "name": "balanced",
        "purpose": "decision",
        "threshold": 0.5,
        "sensitivity": 0.9,
        "specificity": 0.8,
    }
    assert answer["input_check"]["accepted"] is True
    assert answer["image"] == {"format": "JPEG", "width": 320, "height": 256, "bit_depth": 8}
    assert answer["model"]["name"] == "tiny"
    assert set(answer["timings_ms"]) == {"decode", "queue", "inference", "total"}
    assert answer["timings_ms"]["total"] >= answer["timings_ms"]["decode"]
    assert answer["warnings"] == []


@pytest.mark.parametrize(
    "kind", ["image/jpeg", "image/anything", "application/octet-stream", "application/dicom", None]
)
def test_raw_body_is_answered_like_the_form(client: AppClient, kind: str | None) -> None:
    data = image_bytes()
    headers = {"content-type": kind} if kind else {}
    raw = client.post("/predict", content=data, headers=headers)
    form = client.post("/predict", files={"file": data})
    assert raw.status_code == form.status_code == 200
    assert raw.json()["probabilities"] == form.json()["probabilities"]


def test_dark_image_is_normal_and_has_no_subtype(client: AppClient) -> None:
    answer = client.post("/predict", files={"file": image_bytes(grey=70)}).json()
    assert answer["decision"] == "normal"
    assert answer["subtype"] is None


def test_operating_points_decide_differently(client: AppClient) -> None:
    files = {"file": image_bytes(grey=110)}
    decisions = {
        name: client.post("/predict", params={"operating_point": name}, files=files).json()[
            "decision"
        ]
        for name in ("balanced", "screening", "careful")
    }
    assert decisions == {"balanced": "normal", "screening": "pneumonia", "careful": "uncertain"}


def test_the_answer_says_that_it_only_screens(client: AppClient) -> None:
    for name, purpose in (("screening", "screening"), ("careful", "decision")):
        answer = client.post(
            "/predict", params={"operating_point": name}, files={"file": image_bytes()}
        ).json()
        assert answer["operating_point"]["purpose"] == purpose


def test_another_prevalence_adds_what_the_answer_means_there(
    start_service: ServiceFactory, tmp_path: Path
) -> None:
    model = tmp_path / "tiny.onnx"
    write_tiny_model(model, calibration_prevalence=2 / 3)
    client = start_service(model=model)
    plain = client.post("/predict", files={"file": image_bytes(grey=170)}).json()
    asked = client.post(
        "/predict", params={"prevalence": 0.1}, files={"file": image_bytes(grey=170)}
    ).json()
    adjusted = asked.pop("adjusted")
    assert "adjusted" not in plain
    changing = {"request_id", "timings_ms"}
    assert {key: plain[key] for key in plain.keys() - changing} == {
        key: asked[key] for key in asked.keys() - changing
    }
    odds = plain["probability"] / (1 - plain["probability"]) / 2 / 9
    assert adjusted["prevalence"] == 0.1
    assert adjusted["probability"] == pytest.approx(odds / (1 + odds))
    assert adjusted["positive_predictive_value"] == pytest.approx(90 / 270)
    assert adjusted["negative_predictive_value"] == pytest.approx(720 / 730)
    results = client.post(
        "/predict/batch",
        params={"prevalence": 0.1},
        files=[("files", image_bytes(grey=170)), ("files", b"nothing")],
    ).json()["results"]
    assert results[0]["prediction"]["adjusted"] == adjusted
    assert results[1]["problem"]["code"] == "unsupported_type"


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("prevalence", ["0", "1", "1.2", "-1", "nan", "inf", "often", ""])
def test_a_prevalence_that_is_none_is_refused(
    client: AppClient, path: str, prevalence: str
) -> None:
    field = "files" if path.endswith("batch") else "file"
    response = client.post(path, params={"prevalence": prevalence}, files={field: image_bytes()})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "prevalence" in response.json()["detail"]


def test_a_model_of_unknown_calibration_prevalence_says_so(client: AppClient) -> None:
    for path, field in (("/predict", "file"), ("/predict/batch", "files")):
        response = client.post(path, params={"prevalence": 0.1}, files={field: image_bytes()})
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
        assert "does not say for which prevalence" in response.json()["detail"]


def test_unknown_operating_point_names_those_there_are(client: AppClient) -> None:
    response = client.post(
        "/predict", params={"operating_point": "best"}, files={"file": image_bytes()}
    )
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_request"
    assert "balanced, screening, careful" in response.json()["detail"]


def test_small_image_is_answered_with_a_warning(client: AppClient) -> None:
    answer = client.post("/predict", files={"file": image_bytes(size=(40, 50))}).json()
    assert [warning["code"] for warning in answer["warnings"]] == ["upscaled"]


def test_refused_image_says_how_far_off_it_is(client: AppClient) -> None:
    response = client.post("/predict", files={"file": image_bytes(grey=255)})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "not_a_chest_xray")
    assert problem["distance"] > problem["limit"] == 0.45


def test_refusal_can_be_turned_into_a_flag(start_service: ServiceFactory) -> None:
    client = start_service(input_check="flag")
    answer = client.post("/predict", files={"file": image_bytes(grey=255)}).json()
    assert answer["input_check"]["accepted"] is False
    assert "not_a_chest_xray" in [warning["code"] for warning in answer["warnings"]]


GREY = chest_like(256, 320).astype(np.uint8)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (png(GREY), False),
        (png(GREY // 4 + 100), True),
        (jpeg(GREY // 2), True),
        (png(chest_like(256, 320, white=0x0FFF)), False),  # set right, and told otherwise
        (file_bytes(radiograph(shadows(), WindowCenter=2048, WindowWidth=4096)), False),
        (file_bytes(radiograph(shadows(), WindowCenter=2048, WindowWidth=40_000)), True),
    ],
    ids=["whole", "flat", "dark", "12 bits in 16", "DICOM", "DICOM with a window far too wide"],
)
def test_an_image_that_uses_little_of_the_grey_range_is_told(
    start_service: ServiceFactory, data: bytes, told: bool
) -> None:
    answer = start_service(input_check="flag").post("/predict", content=data).json()
    codes = {warning["code"] for warning in answer["warnings"]}
    assert ("narrow_grey_range" in codes) == told
