"""What is refused before its upload is read: no room, or no key."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from tests.client import AppClient
from tests.conftest import ServiceFactory
from tests.images import image_bytes

WORK = ("/predict", "/predict/batch", "/explain", "/v2/models/tiny/infer")
DIGEST = hashlib.sha256(b"key").hexdigest()


@contextmanager
def work_for_a_minute(client: AppClient) -> Iterator[None]:
    """Both workers are taken by more work than may wait."""
    admission, end = client.app.state.runtime.admission, Event()

    async def fill() -> list[Any]:
        return [asyncio.ensure_future(admission.run(end.wait, 100.0)) for _ in range(2)]

    jobs = client.portal.call(fill)
    try:
        yield
    finally:
        end.set()
        deadline = time.monotonic() + 20
        while not all(job.done() for job in jobs):
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("path", WORK)
def test_an_overload_is_told_at_once_and_without_the_upload(
    start_service: ServiceFactory, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = start_service(max_wait_seconds=1)
    read = []

    async def upload() -> Any:
        read.append("a piece")
        yield image_bytes()

    with work_for_a_minute(client), caplog.at_level(logging.INFO, "service.access"):
        headers = {"content-type": "image/jpeg", "content-length": "1000"}
        response = client.post(path, content=upload(), headers=headers)
        assert client.get("/health").status_code == 200
        assert client.get("/model").status_code == 200
    assert response.status_code == 429
    # two hundred units at the first guess of 20 ms, on two workers
    assert response.headers["retry-after"] == "2"
    assert response.headers["x-request-id"]
    if not path.startswith("/v2"):
        assert (response.json()["code"], response.json()["retry_after"]) == ("overloaded", 2)
    assert not read
    line = caplog.records[0].__dict__["fields"]
    assert (line["route"].split("{")[0], line["status"]) == (path.split("tiny")[0], 429)
    assert line["code"] == "overloaded"
    assert client.post("/predict", content=image_bytes()).status_code == 200


def test_who_has_no_key_learns_nothing_of_the_load(start_service: ServiceFactory) -> None:
    client = start_service(api_key_sha256=DIGEST, max_wait_seconds=1)
    with work_for_a_minute(client):
        assert client.post("/predict", content=b"x").status_code == 401
        keyed = {"x-api-key": "key"}
        assert client.post("/predict", content=b"x", headers=keyed).status_code == 429
        assert client.get("/predict", headers=keyed).status_code == 405


def test_other_origins_may_read_why(start_service: ServiceFactory) -> None:
    client = start_service(cors_origins="https://viewer.example", max_wait_seconds=1)
    with work_for_a_minute(client):
        origin = {"origin": "https://viewer.example"}
        response = client.post("/predict", content=b"x", headers=origin)
    assert response.status_code == 429
    assert response.headers["access-control-allow-origin"] == "https://viewer.example"
