"""Health, metrics, the model's description, keys, origins, logs."""

import asyncio
import hashlib
import json
import logging
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.http.app import create_app
from service.http.problem_details import CODES
from service.settings import Settings
from tests.client import AppClient, running
from tests.conftest import ServiceFactory
from tests.images import image_bytes
from tests.tiny_model import write_tiny_model

BRIGHT, DARK, WHITE = image_bytes(grey=170), image_bytes(grey=70), image_bytes(grey=255)


def samples(client: AppClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of a scrape by name and labels."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(client: AppClient, name: str, **labels: str) -> float:
    return samples(client)[name, frozenset(labels.items())]


def test_health(client: AppClient) -> None:
    for path in ("/health", "/health/live", "/health/ready"):
        response = client.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})
        assert client.request("HEAD", path).status_code == 200


def test_starting_and_draining_take_no_requests(tiny_model: Path) -> None:
    app = create_app(Settings(model=tiny_model))
    runtime = app.state.runtime
    not_running = AppClientWithoutLifespan(app)
    assert not_running.status("/health/live") == 200
    assert not_running.status("/metrics") == 200
    for path in ("/health", "/health/ready", "/model"):
        assert not_running.status(path) == 503
    with running(app) as client:
        client.wait_until_ready()
        assert value(client, "pneumonia_ready") == 1
        assert client.post("/predict", files={"file": BRIGHT}).status_code == 200
        runtime.drain()
        assert value(client, "pneumonia_ready") == 0
        refused = value(client, "pneumonia_refused_total", code="not_ready")
        for probe in ("/health", "/v2/health/ready"):
            assert client.get(probe).status_code == 503
        assert value(client, "pneumonia_refused_total", code="not_ready") == refused
        assert client.get("/health/live").status_code == 200
        for response in (
            client.get("/health"),
            client.get("/health/ready"),
            client.get("/model"),
            client.post("/predict", files={"file": BRIGHT}),
            client.post("/predict/batch", files={"files": BRIGHT}),
            client.post("/explain", files={"file": BRIGHT}),
        ):
            assert (response.status_code, response.json()["code"]) == (503, "not_ready")


def test_requests_are_taken_until_load_balancers_had_time_to_notice(
    start_service: ServiceFactory,
) -> None:
    client = start_service(drain_delay_seconds=60, drain_seconds=0)
    client.app.state.runtime.drain()
    assert client.get("/health/ready").status_code == 503
    assert client.post("/predict", files={"file": BRIGHT}).status_code == 200


class AppClientWithoutLifespan:
    """Asks an application that was not started."""

    def __init__(self, app: object) -> None:
        self.app = app

    def status(self, path: str) -> int:
        import httpx

        async def ask() -> int:
            transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                return (await client.get(path)).status_code

        return asyncio.run(ask())


def test_model(client: AppClient, tiny_model: Path) -> None:
    body = client.get("/model").json()
    assert body["sha256"] == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert body["has_evidence"] is True
    assert body["contract"]["labels"] == ["normal", "bacterial", "viral"]
    names = [point["name"] for point in body["contract"]["operating_points"]]
    assert names == ["balanced", "screening", "careful"]


def test_series_exist_from_the_first_scrape(start_service: ServiceFactory) -> None:
    client = start_service()
    found = samples(client)
    for decision in ("pneumonia", "normal", "uncertain"):
        labels = frozenset({("decision", decision)})
        assert found["pneumonia_predictions_total", labels] == 0
    for code in CODES:
        assert found["pneumonia_refused_total", frozenset({("code", code)})] == 0
    for stage in ("decode", "queue", "inference", "total"):
        assert found["pneumonia_stage_seconds_count", frozenset({("stage", stage)})] == 0
    for path in ("/predict", "/predict/batch", "/explain"):
        labels = frozenset({("route", path), ("method", "POST"), ("status", "200")})
        assert found["pneumonia_requests_total", labels] == 0
    nothing: frozenset[tuple[str, str]] = frozenset()
    for name in (
        "pneumonia_queued_jobs",
        "pneumonia_queued_work_seconds",
        "pneumonia_probability_count",
        "pneumonia_input_distance_count",
    ):
        assert found[name, nothing] == 0
    assert found["pneumonia_ready", nothing] == 1
    assert found["process_resident_memory_bytes", nothing] > 0
    model = next(dict(labels) for name, labels in found if name == "pneumonia_model_info")
    assert model.keys() == {"name", "version", "sha256"}


def test_counts(start_service: ServiceFactory) -> None:
    client = start_service()
    for data in (BRIGHT, BRIGHT, DARK, WHITE, b"junk"):
        client.post("/predict", files={"file": data})
    client.post("/predict/batch", files=[("files", BRIGHT), ("files", b"junk")])
    client.post("/explain", files={"file": BRIGHT})
    client.get("/nowhere")
    client.get("/elsewhere/1")
    client.request("BREW", "/predict")
    found = samples(client)

    def of(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert of("pneumonia_predictions_total", decision="pneumonia") == 3
    assert of("pneumonia_predictions_total", decision="normal") == 1
    assert of("pneumonia_refused_total", code="not_a_chest_xray") == 1
    assert of("pneumonia_refused_total", code="unsupported_type") == 2
    assert of("pneumonia_refused_total", code="not_found") == 2
    assert of("pneumonia_requests_total", route="/predict", method="POST", status="200") == 3
    assert of("pneumonia_requests_total", route="/predict", method="POST", status="415") == 1
    assert of("pneumonia_requests_total", route="/predict", method="POST", status="422") == 1
    assert of("pneumonia_requests_total", route="/predict", method="OTHER", status="405") == 1
    assert of("pneumonia_requests_total", route="/predict/batch", method="POST", status="200") == 1
    assert of("pneumonia_requests_total", route="/explain", method="POST", status="200") == 1
    assert of("pneumonia_requests_total", route="unmatched", method="GET", status="404") == 2
    assert of("pneumonia_requests_in_flight") == 1
    for stage in ("decode", "queue", "inference", "total"):
        assert of("pneumonia_stage_seconds_count", stage=stage) == 4
    assert of("pneumonia_probability_count") == 4
    assert of("pneumonia_input_distance_count") == 5, "the refused one has a distance too"


def test_histograms_take_the_edges_of_the_reference(
    start_service: ServiceFactory, tmp_path: Path
) -> None:
    from service.inference.contract import Histogram

    model = tmp_path / "with_reference.onnx"
    reference = {"distance": Histogram(edges=(0, 0.1, 0.2, 0.4), counts=(5, 3, 1))}
    write_tiny_model(model, reference_histograms=reference)
    found = samples(start_service(model=model))
    edges = {
        dict(labels)["le"] for name, labels in found if name == "pneumonia_input_distance_bucket"
    }
    assert edges == {"0.1", "0.2", "0.4", "+Inf"}


KEYED = [("POST", "/predict"), ("POST", "/predict/batch"), ("POST", "/explain"), ("GET", "/model")]
OPEN = ["/health", "/health/live", "/health/ready", "/metrics", "/docs", "/redoc", "/openapi.json"]


def test_keys(start_service: ServiceFactory) -> None:
    digests = ",".join(hashlib.sha256(key).hexdigest() for key in (b"first", b"second"))
    client = start_service(api_key_sha256=digests)
    for path in OPEN:
        assert client.get(path).status_code == 200
    for method, path in KEYED:
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "Basic first"},
            {"authorization": "Bearer"},
            {"x-api-key": "wrong"},
            {"x-api-key": digests[:64]},
            {"x-api-key": b"\xff"},
        ):
            response = client.request(method, path, headers=headers, content=BRIGHT)
            assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
            assert response.headers["www-authenticate"].startswith("Bearer")
    for headers in (
        {"authorization": "Bearer first"},
        {"authorization": "bearer second"},
        {"x-api-key": "second"},
    ):
        assert client.get("/model", headers=headers).status_code == 200
        assert client.post("/predict", content=BRIGHT, headers=headers).status_code == 200


def test_other_origins_only_where_they_are_allowed(start_service: ServiceFactory) -> None:
    origin = {"origin": "https://viewer.example"}
    client = start_service(cors_origins="https://viewer.example,https://pacs.example")
    for path in ("/predict", "/nothing"):
        response = client.post(path, content=BRIGHT, headers=origin)
        assert response.headers["access-control-allow-origin"] == "https://viewer.example"
        assert "X-Request-ID" in response.headers["access-control-expose-headers"]
    asked = {"access-control-request-method": "POST"}
    assert client.request("OPTIONS", "/predict", headers=origin | asked).status_code == 200
    foreign = client.get("/model", headers={"origin": "https://foreign.example"})
    assert "access-control-allow-origin" not in foreign.headers
    closed = start_service()
    response = closed.request("OPTIONS", "/predict", headers=origin | asked)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers


def test_one_log_line_a_request(client: AppClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "service.access"):
        headers = {"x-request-id": "case-1", "authorization": "Bearer secret-key"}
        client.post("/predict", files={"file": ("anna.jpg", BRIGHT)}, headers=headers)
        client.post("/predict", files={"file": ("anna.jpg", b"junk")})
        client.get("/unknown?name=anna")
    lines = [record.__dict__["fields"] for record in caplog.records]
    assert len(lines) == 3
    first, second, third = lines
    assert first.pop("duration_ms") > 0
    assert first == {
        "request_id": "case-1",
        "method": "POST",
        "route": "/predict",
        "status": 200,
        "decision": "pneumonia",
    }
    assert (second["status"], second["code"]) == (415, "unsupported_type")
    assert (third["route"], third["status"]) == ("unmatched", 404)
    for word in ("anna", "secret-key"):
        assert word not in json.dumps(lines)
