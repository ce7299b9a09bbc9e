"""What becomes of requests when the machine fails: a killed process, a disk that takes nothing."""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_start_and_stop import PATIENT, begin_upload, long_work, wait_for_requests
from tests.images import image_bytes
from tests.process import ROOT, free_port, health, service_process
from tests.waiting import PATIENCE_SECONDS, wait_until

BRIGHT = image_bytes(grey=170)


@contextmanager
def serving(
    model: Path, output: Path, before: Sequence[str] = (), **variables: str
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A service whose standard output goes to a file of the test's choice: its address."""
    port = free_port()
    environment = {
        **os.environ,
        "PNEUMONIA_PORT": str(port),
        "PNEUMONIA_MODEL": str(model),
        **variables,
    }
    with output.open("w") as stream:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "service", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # sandbox and service are told together
        )
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert process.poll() is None, f"the service ended: {process.communicate()[1]}"
        return health(port) == 200

    try:
        wait_until(ready, "ready")
        yield url, process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)


def everything(upload: socket.socket) -> bytes:
    """What still comes, also where the other end is gone without a goodbye."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := upload.recv(2**16):
            received += data
    return received


def test_a_killed_process_breaks_the_connection_and_another_takes_over(
    tiny_model: Path, tmp_path: Path
) -> None:
    data = long_work()
    with (
        service_process(tiny_model, tmp_path, port=free_port(), **PATIENT) as service,
        ExitStack() as clients,
    ):
        uploads = [clients.enter_context(begin_upload(service, data)) for _ in range(12)]
        wait_for_requests(service, len(uploads))
        for upload in uploads:
            upload.sendall(data[-1:])
        service.process.send_signal(signal.SIGKILL)
        answers = [everything(upload) for upload in uploads]
        # no half an answer that could be taken for one
        assert b"" in answers
        for answer in answers:
            assert answer == b"" or b'"decision":' in answer
    with service_process(tiny_model, tmp_path, port=service.port) as another:
        assert another.port == service.port
        assert another.post("/predict", content=BRIGHT).status_code == 200


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device")
def test_logs_that_cannot_be_written_cost_no_answer(tiny_model: Path) -> None:
    with serving(tiny_model, Path("/dev/full")) as (url, process):
        for _ in range(3):
            answer = httpx.post(f"{url}/predict", content=BRIGHT, timeout=PATIENCE_SECONDS)
            assert answer.status_code == 200
        process.terminate()
        told = process.communicate(timeout=PATIENCE_SECONDS)[1]
    assert "a log line could not be written" in told
    assert "Traceback" not in told


def test_an_image_there_is_no_memory_for_is_shed_and_others_are_answered(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")  # as the launcher has it: no room set aside
    with service_process(tiny_model, tmp_path) as service:
        assert service.post("/predict", content=BRIGHT).status_code == 200
        status = Path(f"/proc/{service.process.pid}/status").read_text()
        (used,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmSize"))
        most = int(used) * 1024 + 16 * 2**20
        resource.prlimit(service.process.pid, resource.RLIMIT_AS, (most, most))
        answer = service.post("/predict", content=image_bytes(size=(7000, 7000), kind="PNG"))
        assert (answer.status_code, answer.json()["code"]) == (429, "overloaded")
        assert answer.headers["retry-after"] == "1"
        assert "no memory" in answer.json()["detail"]
        assert service.post("/predict", content=BRIGHT).status_code == 200


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_nothing_is_ever_written_to_the_disk(tiny_model: Path, tmp_path: Path) -> None:
    """On a read-only root without a folder for temporary files, uploads of any size included."""
    locked = (
        "bwrap",
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--cap-drop",
        "ALL",
    )
    log = tmp_path / "service.log"
    with (
        serving(tiny_model, log, locked, TMPDIR=str(tmp_path / "none")) as (url, _),
        httpx.Client(base_url=url, timeout=PATIENCE_SECONDS) as client,
    ):
        assert client.post("/predict", content=BRIGHT).status_code == 200
        form = {"file": ("large.png", long_work())}
        assert client.post("/predict", files=form).status_code == 200
        assert client.get("/").status_code == 200
    assert sorted(tmp_path.iterdir()) == [log]
