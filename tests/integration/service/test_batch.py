"""``POST /predict/batch``."""

import threading
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from service.inference.model import ModelOutput
from tests.client import AppClient
from tests.conftest import ServiceFactory
from tests.images import image_bytes

BRIGHT, DARK = image_bytes(grey=170), image_bytes(grey=70)


def test_results_are_in_order_and_one_bad_file_spoils_no_other(client: AppClient) -> None:
    files = [BRIGHT, b"no image", DARK, b"", image_bytes(grey=255), BRIGHT]
    response = client.post("/predict/batch", files=[("files", file) for file in files])
    assert response.status_code == 200
    body = response.json()
    assert body["request_id"] == response.headers["x-request-id"]
    assert [item["index"] for item in body["results"]] == list(range(6))
    found = [
        item["prediction"]["decision"] if "prediction" in item else item["problem"]["code"]
        for item in body["results"]
    ]
    assert found == [
        "pneumonia",
        "unsupported_type",
        "normal",
        "undecodable_image",
        "not_a_chest_xray",
        "pneumonia",
    ]
    for item in body["results"]:
        assert len(item) == 2


def test_items_are_answered_as_single_files_are(client: AppClient) -> None:
    single = client.post("/predict", files={"file": BRIGHT}).json()
    (item,) = client.post("/predict/batch", files={"files": BRIGHT}).json()["results"]
    different = {"request_id", "timings_ms"}
    assert item["prediction"].keys() == single.keys()
    assert all(item["prediction"][key] == single[key] for key in single.keys() - different)


def test_a_large_file_is_the_problem_of_that_file(start_service: ServiceFactory) -> None:
    client = start_service(max_bytes=len(BRIGHT))
    large = BRIGHT + bytes(1)
    files = [("files", file) for file in (BRIGHT, large, BRIGHT)]
    results = client.post("/predict/batch", files=files).json()["results"]
    assert [item.get("problem", {}).get("code") for item in results] == [None, "too_large", None]


@pytest.mark.parametrize(
    ("count", "status", "code"),
    [(3, 200, None), (4, 422, "invalid_request"), (0, 422, "invalid_request")],
)
def test_number_of_files(
    start_service: ServiceFactory, count: int, status: int, code: str | None
) -> None:
    client = start_service(max_batch=3)
    form = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\n' + BRIGHT + b"\r\n"
        for _ in range(count)
    )
    kind = {"content-type": "multipart/form-data; boundary=b"}
    response = client.post("/predict/batch", content=form + b"--b--\r\n", headers=kind)
    assert response.status_code == status
    assert response.json().get("code") == code


@pytest.mark.parametrize("options", [{"content": BRIGHT}, {"json": []}])
def test_only_forms_hold_batches(client: AppClient, options: dict[str, object]) -> None:
    assert client.post("/predict/batch", **options).json()["code"] == "unsupported_type"


def test_a_batch_does_not_shed_itself(
    start_service: ServiceFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start_service(max_wait_seconds=0.02)
    model = client.app.state.runtime.predictor.model
    run = model.run
    at_once = threading.Semaphore(2)

    def slow(images: NDArray[np.uint8]) -> ModelOutput:
        assert at_once.acquire(blocking=False), "more at once than there are workers"
        time.sleep(0.02)
        at_once.release()
        output: ModelOutput = run(images)
        return output

    monkeypatch.setattr(model, "run", slow)
    files = [("files", BRIGHT)] * 20
    results = client.post("/predict/batch", files=files).json()["results"]
    assert all("prediction" in item for item in results), results


def test_operating_point_holds_for_all(client: AppClient) -> None:
    results = client.post(
        "/predict/batch",
        params={"operating_point": "screening"},
        files=[("files", image_bytes(grey=110))] * 2,
    ).json()["results"]
    assert [item["prediction"]["decision"] for item in results] == ["pneumonia"] * 2
    names = {item["prediction"]["operating_point"]["name"] for item in results}
    assert names == {"screening"}
