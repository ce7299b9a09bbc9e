"""Every bad request gets its problem, and the service goes on."""

import logging
import re
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service.http.problem_details import CODES
from tests.client import AppClient
from tests.conftest import ServiceFactory
from tests.images import encode, image_bytes


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and has hardly any data."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


NOISE = np.random.default_rng(1).integers(0, 256, (200, 200), np.uint8)
JPEG = image_bytes()
PNG = image_bytes(kind="PNG")

BAD_FILES = {
    "empty": (b"", 400, "undecodable_image"),
    "truncated JPEG": (JPEG[: len(JPEG) // 2], 400, "undecodable_image"),
    "JPEG signature alone": (JPEG[:3], 400, "undecodable_image"),
    "truncated PNG": (PNG[: len(PNG) // 2], 400, "undecodable_image"),
    "PNG signature alone": (PNG[:8], 400, "undecodable_image"),
    "corrupt PNG": (PNG[:60] + b"corrupt" + PNG[67:], 400, "undecodable_image"),
    "truncated WebP": (image_bytes(kind="WEBP")[:-20], 400, "undecodable_image"),
    "truncated TIFF": (image_bytes(kind="TIFF")[:200], 400, "undecodable_image"),
    "truncated BMP": (image_bytes(kind="BMP")[:200], 400, "undecodable_image"),
    "PNG bomb": (png_header(60_000, 60_000), 413, "too_large"),
    "PNG that says more than it has": (png_header(2000, 2000), 400, "undecodable_image"),
    "text": (b"Lungs are clear.", 415, "unsupported_type"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", 415, "unsupported_type"),
    "GIF": (encode(Image.fromarray(NOISE), "GIF"), 415, "unsupported_type"),
    "zeros": (bytes(5000), 415, "unsupported_type"),
    "icon": (image_bytes(size=(16, 16), kind="PNG"), 422, "not_a_chest_xray"),
    "white": (image_bytes(grey=255), 422, "not_a_chest_xray"),
}


def check_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The response is this problem, complete and sealed."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert code in CODES
    assert problem["type"] == f"urn:pneumonia-detection:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert not re.search(r"Traceback|\.py|/(home|work|tmp|usr|root)/", response.text)
    return problem


@pytest.mark.parametrize(("data", "status", "code"), BAD_FILES.values(), ids=BAD_FILES.keys())
@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_bad_files(client: AppClient, path: str, data: bytes, status: int, code: str) -> None:
    check_problem(client.post(path, files={"file": data}), status, code)
    raw = client.post(path, content=data, headers={"content-type": "image/jpeg"})
    check_problem(raw, status, code)
    assert client.post(path, files={"file": JPEG}).status_code == 200


@pytest.mark.parametrize(
    ("options", "status", "code", "says"),
    [
        ({"files": {"image": JPEG}}, 422, "invalid_request", "no field file"),
        ({"files": [("file", JPEG), ("file", JPEG)]}, 422, "invalid_request", "more than 1"),
        ({"json": {"image": "..."}}, 415, "unsupported_type", "multipart/form-data"),
        ({"data": {"file": "x"}}, 415, "unsupported_type", "multipart/form-data"),
        ({"content": JPEG, "headers": {"content-type": "text/plain"}}, 415, "unsupported_type", ""),
        (
            {"content": JPEG, "headers": {"content-type": "multipart/form-data"}},
            422,
            "invalid_request",
            "boundary",
        ),
        (
            {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            422,
            "invalid_request",
            "malformed",
        ),
        ({}, 400, "undecodable_image", "empty"),
    ],
)
def test_bad_bodies(
    client: AppClient, options: dict[str, Any], status: int, code: str, says: str
) -> None:
    problem = check_problem(client.post("/predict", **options), status, code)
    assert says in problem["detail"]


@pytest.mark.parametrize(
    ("path", "params", "says"),
    [
        ("/explain", {"alpha": "2"}, "query alpha"),
        ("/explain", {"alpha": "-0.1"}, "query alpha"),
        ("/explain", {"alpha": "nan"}, "query alpha"),
        ("/explain", {"alpha": "much"}, "query alpha"),
        ("/explain", {"layer": "all"}, "query layer"),
        ("/explain", {"operating_point": "none"}, "balanced"),
        ("/predict/batch", {"operating_point": "none"}, "balanced"),
        ("/predict", {"operating_point": ""}, "balanced"),
    ],
)
def test_bad_parameters(client: AppClient, path: str, params: dict[str, str], says: str) -> None:
    field = "files" if path.endswith("batch") else "file"
    response = client.post(path, params=params, files={field: JPEG})
    assert says in check_problem(response, 422, "invalid_request")["detail"]


def test_unknown_addresses_and_methods(client: AppClient) -> None:
    check_problem(client.get("/nothing"), 404, "not_found")
    check_problem(client.get("/predict/"), 404, "not_found")
    check_problem(client.get("/static/../app.py"), 404, "not_found")
    check_problem(client.get("/static/..%2Fapp.py"), 404, "not_found")
    response = client.get("/predict")
    check_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
    check_problem(client.request("BREW", "/predict"), 405, "method_not_allowed")


def test_more_bytes_than_allowed(start_service: ServiceFactory) -> None:
    client = start_service(max_bytes=4000)
    just = JPEG[:2] + b"\xff\xfe" + struct.pack(">H", 3998 - len(JPEG)) + bytes(3996 - len(JPEG))
    just += JPEG[2:]
    assert len(just) == 4000
    assert client.post("/predict", files={"file": just}).status_code == 200
    assert client.post("/predict", content=just).status_code == 200
    more = just + b"\0"
    for options in ({"files": {"file": more}}, {"content": more}):
        problem = check_problem(client.post("/predict", **options), 413, "too_large")
        assert "4000 bytes" in problem["detail"]


def test_announced_length_is_refused_before_anything_is_read(client: AppClient) -> None:
    response = client.post(
        "/predict", content=b"", headers={"content-length": str(2**31), "content-type": "image/png"}
    )
    check_problem(response, 413, "too_large")


async def unannounced(size: int) -> AsyncIterator[bytes]:
    yield bytes(size)


def test_uploads_that_can_never_fit_the_memory_are_too_large(start_service: ServiceFactory) -> None:
    client = start_service(max_upload_memory=2**20)
    for size in (2**20 + 1, 2**22):
        check_problem(client.post("/predict", content=bytes(size)), 413, "too_large")
        check_problem(client.post("/predict", content=unannounced(size)), 413, "too_large")
        form = {"files": bytes(size)}
        check_problem(client.post("/predict/batch", files=form), 413, "too_large")


def test_uploads_that_fill_the_memory_are_shed(start_service: ServiceFactory) -> None:
    client = start_service(max_upload_memory=2**20)
    with client.app.state.uploads.memory.hold() as others:
        others.take(10)
        response = client.post("/predict", content=bytes(2**20))
    problem = check_problem(response, 429, "overloaded")
    assert response.headers["retry-after"] == "1"
    assert problem["retry_after"] == 1
    for _ in range(3):
        response = client.post("/predict", content=bytes(2**20))
        check_problem(response, 415, "unsupported_type")


def test_request_ids(client: AppClient) -> None:
    sane = "Case-17_a.b"
    assert client.get("/health", headers={"x-request-id": sane}).headers["x-request-id"] == sane
    made = set()
    for wild in ("", "a b", "x" * 65, "<script>", "ä"):
        response = client.get("/nothing", headers={"x-request-id": wild.encode("latin-1")})
        assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
        made.add(response.json()["request_id"])
    assert len(made) == 5


def test_unexpected_errors_are_logged_and_not_told(
    client: AppClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret of the session")

    monkeypatch.setattr(client.app.state.runtime.predictor.model, "run", fail)
    with caplog.at_level(logging.ERROR):
        response = client.post("/predict", files={"file": JPEG})
    problem = check_problem(response, 500, "internal")
    assert "secret" not in response.text
    assert "secret of the session" in caplog.text
    assert caplog.records[0].__dict__["fields"]["request_id"] == problem["request_id"]
    monkeypatch.undo()
    assert client.post("/predict", files={"file": JPEG}).status_code == 200


def test_every_answer_has_the_security_headers(client: AppClient) -> None:
    for response in (
        client.get("/health"),
        client.get("/nothing"),
        client.get("/docs"),
        client.post("/predict", files={"file": JPEG}),
        client.post("/predict"),
    ):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "server" not in response.headers
        assert "access-control-allow-origin" not in response.headers
