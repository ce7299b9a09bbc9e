"""A session that fails or takes too long: what the client is told, and who is unharmed."""

from threading import Event
from typing import Any

import pytest

from tests.conftest import ServiceFactory
from tests.images import image_bytes
from tests.waiting import PATIENCE_SECONDS, wait_until

IMAGE = image_bytes()


def test_a_session_that_is_too_slow_is_a_504_and_keeps_its_place_until_it_ends(
    start_service: ServiceFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start_service(workers=1, deadline_seconds=1, max_wait_seconds=600)
    runtime, end = client.app.state.runtime, Event()
    run = runtime.predictor.model.run

    def slow(images: Any) -> Any:
        end.wait(PATIENCE_SECONDS)
        return run(images)

    monkeypatch.setattr(runtime.predictor.model, "run", slow)
    for _ in range(2):
        response = client.post("/predict", content=IMAGE)
        assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
        assert runtime.admission.running == 1
    assert client.get("/health").status_code == 200
    end.set()
    wait_until(lambda: runtime.admission.running == 0, "the place is free")


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_session_that_fails_is_a_500_and_frees_its_place(
    start_service: ServiceFactory, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    client = start_service(workers=1)
    runtime = client.app.state.runtime

    def fail(_: object) -> None:
        raise RuntimeError("secret of the session")

    monkeypatch.setattr(runtime.predictor.model, "run", fail)
    response = client.post(path, files={"file": IMAGE})
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert (runtime.admission.running, runtime.admission.queued) == (0, 0)
    # one image that the runtime cannot stand must not take the replica from all others
    assert client.get("/health").status_code == 200


def test_a_session_that_fails_on_one_file_of_a_batch_spoils_no_other(
    start_service: ServiceFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start_service(workers=1)
    runtime = client.app.state.runtime
    run = runtime.predictor.model.run
    calls = iter(range(3))

    def fail_second(images: Any) -> Any:
        if next(calls) == 1:
            raise RuntimeError("secret of the session")
        return run(images)

    monkeypatch.setattr(runtime.predictor.model, "run", fail_second)
    response = client.post("/predict/batch", files=[("files", IMAGE)] * 3)
    assert response.status_code == 200
    first, second, third = response.json()["results"]
    assert first["prediction"]["decision"] == third["prediction"]["decision"]
    assert (second["problem"]["status"], second["problem"]["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert (runtime.admission.running, runtime.admission.queued) == (0, 0)
