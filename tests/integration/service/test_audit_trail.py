"""The trail of answers: who asked, which model answered what, under which request and trace."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.client import AppClient
from tests.conftest import ServiceFactory
from tests.images import image_bytes

BRIGHT, DARK, WHITE = image_bytes(grey=170), image_bytes(grey=70), image_bytes(grey=255)
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def fields(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    found = [
        record.__dict__["fields"] for record in caplog.records if record.getMessage() == message
    ]
    for record in caplog.records:
        assert "secret" not in json.dumps(record.__dict__.get("fields", {}))
    return found


def test_one_line_an_answer(
    start_service: ServiceFactory, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = start_service(api_keys=f"ris:{digest('secret')}")
    headers = {"x-request-id": "case-1", "x-api-key": "secret"}
    headers["traceparent"] = f"00-{TRACE}-{SPAN}-01"
    with caplog.at_level(logging.INFO):
        answer = client.post("/predict?operating_point=screening", content=BRIGHT, headers=headers)
    [line] = fields(caplog, "answer")
    assert line.pop("duration_ms") > 0
    assert line == {
        "request_id": "case-1",
        "trace_id": TRACE,
        "parent_id": SPAN,
        "key": f"ris:{digest('secret')[:8]}",
        "model_sha256": digest_of(tiny_model),
        "operating_point": "screening",
        "probability": round(answer.json()["probability"], 6),
        "decision": "pneumonia",
    }
    [request] = fields(caplog, "request")
    same = ("request_id", "trace_id", "parent_id", "key")
    assert {name: request[name] for name in same} == {
        "request_id": "case-1",
        "trace_id": TRACE,
        "parent_id": SPAN,
        "key": f"ris:{digest('secret')[:8]}",
    }


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_each_file_of_a_batch_has_its_line(
    start_service: ServiceFactory, caplog: pytest.LogCaptureFixture
) -> None:
    client = start_service(max_bytes=100_000)
    files = [BRIGHT, b"junk", WHITE, bytes(200_000), DARK]
    with caplog.at_level(logging.INFO):
        client.post("/predict/batch", files=[("files", file) for file in files])
    lines = sorted(fields(caplog, "answer"), key=lambda line: line["index"])
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line.get("decision") for line in lines] == ["pneumonia", None, None, None, "normal"]
    codes = [None, "unsupported_type", "not_a_chest_xray", "too_large", None]
    assert [line.get("code") for line in lines] == codes
    assert lines[2]["distance"] > 0.45
    assert len({line["request_id"] for line in lines}) == 1


def test_an_encoded_image_of_open_inference_has_its_line(
    client: AppClient, caplog: pytest.LogCaptureFixture
) -> None:
    import base64

    tensor = {"name": "bytes", "datatype": "BYTES", "shape": [1]}
    body = {"inputs": [{**tensor, "data": [base64.b64encode(BRIGHT).decode()]}]}
    with caplog.at_level(logging.INFO):
        assert client.post("/v2/models/tiny/infer", json=body).status_code == 200
    [line] = fields(caplog, "answer")
    assert (line["decision"], line["operating_point"]) == ("pneumonia", "balanced")


@pytest.mark.parametrize(
    "sent",
    [
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE.upper()}-{SPAN}-01"],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}-01-more"],
        [f"00-{TRACE}-{SPAN}"],
        [f"01-{TRACE}-{SPAN}-01x"],
        ["patient's name"],
        [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"],
    ],
)
def test_a_trace_that_is_none_is_left_out(
    client: AppClient, caplog: pytest.LogCaptureFixture, sent: list[str]
) -> None:
    with caplog.at_level(logging.INFO):
        client.post("/predict", content=BRIGHT, headers=[("traceparent", value) for value in sent])
    assert not any("trace_id" in line or "parent_id" in line for line in fields(caplog, "answer"))


def test_a_later_version_of_trace_context_is_understood(
    client: AppClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        client.get("/health", headers={"traceparent": f"01-{TRACE}-{SPAN}-01-more"})
    assert [line["trace_id"] for line in fields(caplog, "request")] == [TRACE]


def test_the_start_line_says_what_answers_and_within_which_limits(
    start_service: ServiceFactory, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        start_service(workers=3, max_pixels=1_000_000)
    [line] = fields(caplog, "ready")
    assert (line["model"], line["version"]) == ("tiny", "1.0")
    assert line["model_sha256"] == digest_of(tiny_model)
    assert (line["workers"], line["max_pixels"]) == (3, 1_000_000)
    assert {"memory_limit", "max_bytes", "max_batch", "deadline_seconds"} <= line.keys()
