"""Whatever a client sends: an answer or a problem, never a 500."""

from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.http.problem_details import CODES
from tests.client import AppClient
from tests.images import image_bytes

PATHS = (
    "/",
    "/predict",
    "/predict/batch",
    "/explain",
    "/health",
    "/model",
    "/metrics",
    "/docs",
    "/static/docs/swagger.js",
    "/v2",
    "/v2/models/tiny",
    "/v2/models/tiny/infer",
    "/v2/models/tiny/versions/1.0/infer",
)
KINDS = (
    "image/jpeg",
    "application/dicom",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=b",
    'multipart/form-data; boundary="',
    "multipart/mixed; boundary=b",
)
FILES = tuple(
    image_bytes(size=(64, 64), kind=kind) for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
)

header_text = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An image with some of its bytes changed, left out or repeated."""
    data = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        end = start + draw(st.integers(0, 8))
        data[start:end] = draw(st.binary(max_size=8))
    return bytes(data)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    data = draw(st.binary(max_size=100) | mutated())
    if draw(st.booleans()):
        name = draw(st.sampled_from(["file", "files", "other", ""]))
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        data = head.encode() + data + draw(st.sampled_from([b"\r\n--b--\r\n", b"\r\n--b", b""]))
    return data


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"]),
    path=st.sampled_from(PATHS) | st.text(max_size=20).map(lambda text: f"/{quote(text)}"),
    params=st.dictionaries(
        st.sampled_from(["operating_point", "alpha", "layer", "uids", "other"]),
        st.text(max_size=10) | st.floats().map(str) | st.sampled_from(["screening", "evidence"]),
    ),
    headers=st.fixed_dictionaries(
        {},
        optional={
            "content-type": st.sampled_from(KINDS) | header_text,
            "x-request-id": header_text,
            "authorization": header_text,
            "if-none-match": header_text,
            "inference-header-content-length": header_text | st.integers().map(str),
            "content-encoding": st.sampled_from(["gzip", "identity"]),
        },
    ),
    body=bodies(),
)
def test_any_request_is_answered(
    client: AppClient,
    method: str,
    path: str,
    params: dict[str, str],
    headers: dict[str, str],
    body: bytes,
) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    sent: dict[str, Any] = {"params": params, "headers": encoded, "content": body}
    response = client.request(method, path, **sent)
    assert response.status_code < 500
    assert response.headers["x-request-id"]
    if response.status_code >= 400 and method != "HEAD":
        answer = response.json()
        if "error" not in answer:
            assert answer["code"] in CODES
            assert answer["status"] == response.status_code
    assert client.get("/health").status_code == 200
