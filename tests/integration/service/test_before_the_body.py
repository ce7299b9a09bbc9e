"""What is refused before its upload is read, and that endpoints are the framework's own."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, Query
from starlette.exceptions import HTTPException

from service.http.app import create_app
from service.http.dependencies import PREDICTING, admit_now
from service.http.schemas import PredictingQuery
from service.settings import Settings
from tests.client import AppClient, running
from tests.conftest import ServiceFactory
from tests.images import image_bytes
from tests.waiting import wait_until

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
        wait_until(lambda: all(job.done() for job in jobs), "the work is done")


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
    retry_after = int(response.headers["retry-after"])
    assert retry_after >= 1
    assert response.headers["x-request-id"]
    if not path.startswith("/v2"):
        assert (response.json()["code"], response.json()["retry_after"]) == (
            "overloaded",
            retry_after,
        )
    assert not read
    line = caplog.records[0].__dict__["fields"]
    assert (line["route"].split("{")[0], line["status"]) == (path.split("tiny")[0], 429)
    assert line["code"] == "overloaded"
    assert client.post("/predict", content=image_bytes()).status_code == 200


def test_the_load_is_learnt_from_images_that_are_refused(start_service: ServiceFactory) -> None:
    """Else a service that had been slow would shed for ever what it refuses in no time."""
    client = start_service(max_wait_seconds=600)
    admission = client.app.state.runtime.admission

    async def be_slow() -> None:
        for _ in range(100):  # a second and more for each unit of work
            await admission.run(lambda: time.sleep(0.001), 0.001)

    client.portal.call(be_slow)
    with work_for_a_minute(client):
        assert client.get("/health").status_code == 200
        before = admission.expected_wait()
    for _ in range(60):
        assert client.post("/predict", content=image_bytes(0)).status_code == 422
    with work_for_a_minute(client):
        assert client.get("/health").status_code == 200
        assert 0 < admission.expected_wait() < 0.5 * before


def test_who_has_no_key_learns_nothing_of_the_load(start_service: ServiceFactory) -> None:
    client = start_service(api_key_sha256=DIGEST, max_wait_seconds=1)
    with work_for_a_minute(client):
        assert client.post("/predict", content=b"x").status_code == 401
        keyed = {"x-api-key": "key"}
        assert client.post("/predict", content=b"x", headers=keyed).status_code == 429
        assert client.get("/predict", headers=keyed).status_code == 405


@pytest.mark.parametrize("path", WORK)
def test_no_key_is_told_without_the_upload(start_service: ServiceFactory, path: str) -> None:
    client = start_service(api_key_sha256=DIGEST)
    read = []

    async def upload() -> Any:
        read.append("a piece")
        yield image_bytes()

    headers = {"content-type": "image/jpeg", "content-length": "1000"}
    assert client.post(path, content=upload(), headers=headers).status_code == 401
    assert not read


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer key"},
        {"x-api-key": "key"},
        {"authorization": "Bearer of.a.gateway", "x-api-key": "key"},
        {"authorization": "Basic dXNlcjpwYXNz", "x-api-key": "key"},
        {"authorization": "Bearer key", "x-api-key": "other"},
    ],
)
def test_either_key_is_enough(start_service: ServiceFactory, headers: dict[str, str]) -> None:
    client = start_service(api_key_sha256=DIGEST)
    assert client.post("/predict", content=image_bytes(), headers=headers).status_code == 200


@pytest.mark.parametrize("path", WORK)
def test_dependencies_of_an_endpoint_are_run(tiny_model: Path, path: str) -> None:
    """A dependency that denies, overridden into every endpoint that predicts."""

    async def deny() -> None:
        raise HTTPException(404)

    app = create_app(Settings(model=tiny_model))
    app.dependency_overrides[admit_now] = deny
    with running(app) as client:
        client.wait_until_ready()
        assert client.post(path, content=image_bytes()).status_code == 404


@pytest.mark.parametrize("path", WORK)
def test_a_misspelt_parameter_is_refused_by_name(client: AppClient, path: str) -> None:
    response = client.post(f"{path}?operating_pont=screening", content=image_bytes())
    assert response.status_code == 422
    assert "operating_pont" in response.text


def test_a_further_parameter_and_a_further_dependency_of_a_route_work(tiny_model: Path) -> None:
    """As whoever extends the service would write them."""
    seen = []

    async def further(site: Annotated[str, Query()] = "none") -> None:
        seen.append(site)

    app = create_app(Settings(model=tiny_model))
    router = APIRouter(dependencies=[*PREDICTING, Depends(further)])

    @router.post("/further")
    async def endpoint(query: Annotated[PredictingQuery, Query()]) -> str:
        return query.operating_point

    app.include_router(router)
    with running(app) as client:
        client.wait_until_ready()
        answer = client.post("/further?site=ward&operating_point=screening")
        assert (answer.status_code, answer.json(), seen) == (200, "screening", ["ward"])
        assert client.post("/further?cite=ward").status_code == 422


def test_other_origins_may_read_why(start_service: ServiceFactory) -> None:
    client = start_service(cors_origins="https://viewer.example", max_wait_seconds=1)
    with work_for_a_minute(client):
        origin = {"origin": "https://viewer.example"}
        response = client.post("/predict", content=b"x", headers=origin)
    assert response.status_code == 429
    assert response.headers["access-control-allow-origin"] == "https://viewer.example"
