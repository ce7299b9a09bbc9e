"""Requests as known clients and gateways send them."""

import base64
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from tests.client import AppClient
from tests.conftest import ServiceFactory
from tests.images import image_bytes
from tests.tiny_model import write_tiny_model

INFER = "/v2/models/tiny/infer"
IMAGE = image_bytes()


def tensor(client: AppClient, **more: Any) -> dict[str, Any]:
    """A grey image as MLServer's client writes it."""
    _, height, width, _ = client.get("/v2/models/tiny").json()["inputs"][0]["shape"]
    data = [100] * (height * width)
    shape = [1, height, width, 1]
    return {"name": "image", "shape": shape, "datatype": "UINT8", "data": data, **more}


@pytest.mark.parametrize(
    ("request_nulls", "input_nulls"),
    [
        ({"parameters": None}, {}),
        ({"outputs": None, "id": None}, {}),
        ({}, {"parameters": None}),
        ({"parameters": {"content_type": None, "headers": None}}, {"parameters": {"x": None}}),
        ({"outputs": [{"name": "probabilities", "parameters": None}]}, {}),
    ],
)
def test_nulls_of_a_client_are_as_if_absent(
    client: AppClient, request_nulls: dict[str, Any], input_nulls: dict[str, Any]
) -> None:
    body = {"inputs": [tensor(client, **input_nulls)], **request_nulls}
    response = client.post(INFER, json=body)
    assert response.status_code == 200, response.text
    assert "probabilities" in {output["name"] for output in response.json()["outputs"]}


def test_the_prevalence_is_a_parameter(start_service: ServiceFactory, tmp_path: Path) -> None:
    model = tmp_path / "tiny.onnx"
    write_tiny_model(model, calibration_prevalence=2 / 3)
    data = [base64.b64encode(IMAGE).decode()]
    image = {"name": "bytes", "shape": [1], "datatype": "BYTES", "data": data}

    def ask(client: AppClient, **parameters: float) -> Response:
        return client.post(INFER, json={"inputs": [image], "parameters": parameters})

    client = start_service(model=model)
    outputs = {one["name"]: one["data"] for one in ask(client, prevalence=0.1).json()["outputs"]}
    adjusted = client.post("/predict", params={"prevalence": 0.1}, content=IMAGE).json()["adjusted"]
    assert outputs["adjusted_probability"] == pytest.approx([adjusted["probability"]], abs=1e-6)
    assert "adjusted_probability" not in ask(client).text
    assert "adjusted_probability" in client.get("/v2/models/tiny").text
    refused = ask(client, prevalence=1.0)
    assert refused.status_code == 422
    assert "above 0 and below 1" in refused.json()["error"]


@pytest.mark.parametrize(
    "data", [[base64.b64encode(IMAGE).decode()], [{"b64": base64.b64encode(IMAGE).decode()}]]
)
@pytest.mark.parametrize("parameters", [None, {"content_type": "base64"}])
def test_an_encoded_image_in_json_is_base64(
    client: AppClient, data: list[Any], parameters: dict[str, str] | None
) -> None:
    image = {"name": "bytes", "shape": [1], "datatype": "BYTES", "data": data}
    response = client.post(INFER, json={"inputs": [{**image, "parameters": parameters}]})
    assert response.status_code == 200, response.text
    outputs = {output["name"]: output["data"] for output in response.json()["outputs"]}
    (probability,) = outputs["probability"]
    assert probability == pytest.approx(
        client.post("/predict", content=IMAGE).json()["probability"], abs=1e-6
    )


@pytest.mark.parametrize("data", [["no base64!"], [17], [], [{"other": "x"}], None])
def test_what_is_not_base64_is_refused_in_words(client: AppClient, data: list[Any] | None) -> None:
    image = {"name": "bytes", "shape": [1], "datatype": "BYTES", "data": data}
    response = client.post(INFER, json={"inputs": [image]})
    assert response.status_code in (400, 415, 422)
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("Identity", bytes),
    ],
)
def test_bodies_of_the_inference_protocol_may_be_compressed(
    client: AppClient, encoding: str, compress: Any
) -> None:
    body = compress(json.dumps({"inputs": [tensor(client)]}).encode())
    headers = {"content-type": "application/json", "content-encoding": encoding}
    assert client.post(INFER, content=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(bytes(3_000_000), mtime=0), 413),
        (gzip.compress(b"{}" * 1000, mtime=0)[:-9], 422),
        (b"not compressed", 422),
    ],
)
def test_compressed_bodies_are_bounded_and_whole(
    start_service: ServiceFactory, body: bytes, status: int
) -> None:
    client = start_service(max_bytes=1_000_000)
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert client.post(INFER, content=body, headers=headers).status_code == status


def test_a_compressed_image_is_refused_by_name(client: AppClient) -> None:
    headers = {"content-type": "image/jpeg", "content-encoding": "gzip"}
    response = client.post("/predict", content=gzip.compress(IMAGE), headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_type")
    assert "Content-Encoding" in response.json()["detail"]
    plain = client.post("/predict", content=IMAGE, headers={"content-encoding": "Identity"})
    assert plain.status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/v2/health/ready", "/v2/health/live", "/health"])
def test_probes_may_use_head(client: AppClient, path: str) -> None:
    response = client.request("HEAD", path)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("tag", ["W/{}", "*", '"other", {}', '"other", W/{}'])
def test_a_browser_that_has_the_file_is_told_so(client: AppClient, tag: str) -> None:
    path = "/static/example.jpg"
    etag = client.get(path).headers["etag"]
    assert client.get(path, headers={"if-none-match": tag.format(etag)}).status_code == 304
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_a_page_of_another_origin_may_send_binary_tensors(start_service: ServiceFactory) -> None:
    client = start_service(cors_origins="https://viewer.example")
    response = client.request(
        "OPTIONS",
        INFER,
        headers={
            "origin": "https://viewer.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,inference-header-content-length",
        },
    )
    assert response.status_code == 200
    answer = client.get("/health", headers={"origin": "https://viewer.example"})
    exposed = answer.headers["access-control-expose-headers"].lower()
    assert "inference-header-content-length" in exposed
