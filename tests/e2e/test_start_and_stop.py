"""The process: how it starts, why it does not, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from PIL import Image

from tests.images import encode, image_bytes
from tests.process import ROOT, ServiceProcess, service_process
from tests.tiny_model import write_tiny_model
from tests.waiting import PATIENCE_SECONDS, wait_until

BRIGHT = image_bytes(grey=170)
# one image after another, however long each takes
PATIENT: dict[str, Any] = {"workers": 1, "max_wait_seconds": 600, "deadline_seconds": 600}


def long_work() -> bytes:
    """An image that takes a core for a while: 50 megapixels of PNG."""
    pixels = np.full((5000, 10000), 170, np.uint8)
    return encode(Image.fromarray(pixels), "PNG", compress_level=1)


def in_flight(service: ServiceProcess) -> float:
    """Requests being answered, but for the one that asks."""
    for line in service.get("/metrics").text.splitlines():
        if line.startswith("pneumonia_requests_in_flight "):
            return float(line.split()[1]) - 1
    raise AssertionError("no such metric")


def wait_for_requests(service: ServiceProcess, count: int = 1) -> None:
    """Until so many requests are under way."""
    wait_until(lambda: in_flight(service) >= count, f"{count} requests under way")


def predict(service: ServiceProcess, data: bytes) -> httpx.Response:
    return service.post("/predict", content=data)


def ends(service: ServiceProcess) -> int:
    """The exit code."""
    return service.process.wait(PATIENCE_SECONDS)


def test_serves_and_ends_well(tiny_model: Path, tmp_path: Path) -> None:
    with service_process(tiny_model, tmp_path, drain_delay_seconds=0.5) as service:
        assert predict(service, BRIGHT).json()["decision"] == "pneumonia"
        signalled = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert ends(service) == 0
        assert time.monotonic() - signalled > 0.5
        assert service.errors() == ""
        first, *_, last = service.log_lines()
        assert first["message"] == "listening"
        assert (last["message"], last["finished"]) == ("stopped", True)
        assert all({"timestamp", "level", "message"} <= line.keys() for line in service.log_lines())


@pytest.mark.parametrize(
    ("settings", "warns"),
    [
        ({"host": "0.0.0.0"}, True),  # noqa: S104
        ({"host": "0.0.0.0", "api_key_sha256": "0" * 64}, False),  # noqa: S104
        ({"host": "127.0.0.1"}, False),
    ],
)
def test_an_open_address_without_keys_is_warned_of(
    tiny_model: Path, tmp_path: Path, settings: dict[str, Any], warns: bool
) -> None:
    with service_process(tiny_model, tmp_path, **settings) as service:
        warnings = [line for line in service.log_lines() if line["level"] == "warning"]
        assert bool(warnings) is warns


def test_all_addresses_of_ipv6_are_those_of_ipv4_too(tiny_model: Path, tmp_path: Path) -> None:
    with service_process(tiny_model, tmp_path, host="::") as service:
        for address in ("127.0.0.1", "[::1]"):
            url = f"http://{address}:{service.port}/health"
            assert httpx.get(url, timeout=PATIENCE_SECONDS).status_code == 200


def test_variables_that_set_nothing_are_named(tiny_model: Path, tmp_path: Path) -> None:
    with service_process(tiny_model, tmp_path, wrokers=2) as service:
        (warning,) = (line for line in service.log_lines() if line["level"] == "warning")
        assert warning["variables"] == ["PNEUMONIA_WROKERS"]


def test_listens_before_it_is_ready(tiny_model: Path, tmp_path: Path) -> None:
    with service_process(tiny_model, tmp_path, ready=False) as service:

        def healthy() -> bool:
            response = service.get("/health")
            if response.status_code == 503:
                assert response.json()["code"] == "not_ready"
                return False
            assert response.status_code == 200
            return True

        wait_until(healthy, "healthy")


def run_serve(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {f"PNEUMONIA_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "service", "serve", "--port", "0", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def refuses_to_start(result: "subprocess.CompletedProcess[str]", says: str) -> None:
    """One clear line on standard error, no traceback anywhere, an exit code that tells."""
    assert result.returncode == 1, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("pneumonia serve: ")
    assert says in line
    assert "Traceback" not in result.stdout
    for entry in result.stdout.splitlines():
        assert json.loads(entry)["level"] == "info"


def test_model_files_that_are_none(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    refuses_to_start(run_serve("--model", str(path)), "No such file")
    path.write_bytes(b"not a model")
    refuses_to_start(run_serve("--model", str(path)), "not an ONNX graph")
    path.write_bytes(tiny_model.read_bytes()[:-400])
    refuses_to_start(run_serve("--model", str(path)), "model file")
    bare = onnx.load(tiny_model)
    del bare.metadata_props[:]
    onnx.save(bare, path)
    refuses_to_start(run_serve(model=str(path)), "no contract")
    write_tiny_model(path, input_check_limit=-1.0)
    refuses_to_start(run_serve(model=str(path)), "input_check_limit")
    pinned = run_serve(model=str(tiny_model), model_sha256="0" * 64)
    refuses_to_start(pinned, "not the pinned one")


def test_settings_and_addresses_that_are_none(tiny_model: Path) -> None:
    model = str(tiny_model)
    refuses_to_start(run_serve(model=model, workers="none"), "PNEUMONIA_WORKERS")
    refuses_to_start(run_serve(model=model, max_bytes="1"), "PNEUMONIA_MAX_BYTES")
    refuses_to_start(run_serve(model=model, host="203.0.113.7"), "cannot listen on 203.0.113.7")
    refuses_to_start(run_serve(model=model, host="no such host"), "cannot listen")
    refuses_to_start(run_serve(model=model, host=f"{'x' * 64}.example"), "cannot listen")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refuses_to_start(run_serve("--port", port, model=model), f"port {port}")


def begin_upload(service: ServiceProcess, data: bytes) -> socket.socket:
    """All of a request but its last byte."""
    client = socket.create_connection(("127.0.0.1", service.port))
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    client.sendall(head.encode() + data[:-1])
    return client


def test_accepted_work_is_finished(tiny_model: Path, tmp_path: Path) -> None:
    data = long_work()
    with (
        service_process(tiny_model, tmp_path, drain_seconds=600, **PATIENT) as service,
        ExitStack() as clients,
    ):
        uploads = [clients.enter_context(begin_upload(service, data)) for _ in range(3)]
        wait_for_requests(service, len(uploads))
        for upload in uploads:
            upload.sendall(data[-1:])
        service.process.send_signal(signal.SIGTERM)
        for upload in uploads:
            assert upload.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
        assert ends(service) == 0


def test_an_upload_under_way_is_finished(tiny_model: Path, tmp_path: Path) -> None:
    with (
        service_process(tiny_model, tmp_path) as service,
        begin_upload(service, BRIGHT) as client,
    ):
        wait_for_requests(service)
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not listens(service), "the port closed")
        client.sendall(BRIGHT[-1:])
        answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        assert ends(service) == 0


def listens(service: ServiceProcess) -> bool:
    try:
        socket.create_connection(("127.0.0.1", service.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_load_balancers_get_time_to_notice(tiny_model: Path, tmp_path: Path) -> None:
    with service_process(tiny_model, tmp_path, drain_delay_seconds=600) as service:
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.get("/health/ready").status_code == 503, "draining")
        assert service.get("/health/live").status_code == 200
        assert predict(service, BRIGHT).status_code == 200


def test_what_cannot_be_finished_is_told_so(tiny_model: Path, tmp_path: Path) -> None:
    data = long_work()
    with (
        service_process(tiny_model, tmp_path, drain_seconds=0, **PATIENT) as service,
        ExitStack() as clients,
    ):
        # several times more than a fast machine does in the second that is left for last words
        uploads = [clients.enter_context(begin_upload(service, data)) for _ in range(24)]
        wait_for_requests(service, len(uploads))
        for upload in uploads:
            upload.sendall(data[-1:])
        service.process.send_signal(signal.SIGTERM)
        answers = [upload.makefile("rb").read() for upload in uploads]
        told = [b'"not_ready"' in answer for answer in answers]
        assert any(told)
        for answer, unfinished in zip(answers, told, strict=True):
            assert answer.startswith(b"HTTP/1.1 503 " if unfinished else b"HTTP/1.1 200 ")
        assert ends(service) == 1
        assert service.log_lines()[-1]["finished"] is False


def test_a_second_interrupt_ends_at_once(tiny_model: Path, tmp_path: Path) -> None:
    with (
        service_process(tiny_model, tmp_path, drain_seconds=600) as service,
        begin_upload(service, BRIGHT),
    ):
        wait_for_requests(service)
        service.process.send_signal(signal.SIGINT)
        wait_until(lambda: not listens(service), "the port closed")
        service.process.send_signal(signal.SIGINT)
        ends(service)


def test_health_answers_while_every_worker_is_busy(tiny_model: Path, tmp_path: Path) -> None:
    data = long_work()
    with (
        service_process(
            tiny_model, tmp_path, workers=1, max_wait_seconds=0.01, deadline_seconds=600
        ) as service,
        ThreadPoolExecutor() as threads,
    ):
        responses: list[httpx.Response] = []

        def some_are_shed() -> bool:
            responses.append(predict(service, data))
            return {response.status_code for response in responses} >= {200, 429}

        busy = [threads.submit(wait_until, some_are_shed, "some are shed") for _ in range(3)]
        while not all(one.done() for one in busy):
            assert service.get("/health").status_code == 200
        for one in busy:
            one.result()
        assert {response.status_code for response in responses} == {200, 429}
        for response in responses:
            if response.status_code == 429:
                assert response.json()["code"] == "overloaded"
                assert int(response.headers["retry-after"]) >= 1
