"""Servers as real processes, the service above all, for tests and benchmarks."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class ServiceProcess:
    """A running service.

    Attributes:
        process: to signal and to wait for.
        port: it listens on, of 127.0.0.1.
        log: the file its standard output goes to; what it writes to its standard error lies
            beside it.
    """

    process: "subprocess.Popen[str]"
    port: int
    log: Path

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self.process.pid

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> httpx.Response:
        """Ask for a path."""
        return httpx.get(f"{self.url}{path}", timeout=PATIENCE_SECONDS)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Post to a path; options as for :func:`httpx.post`."""
        return httpx.post(f"{self.url}{path}", timeout=PATIENCE_SECONDS, **options)

    def errors(self) -> str:
        """What it wrote to its standard error so far."""
        return self.log.with_suffix(".err").read_text()

    def log_lines(self) -> list[dict[str, object]]:
        """What it logged so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def service_process(
    model: Path, folder: Path, *, ready: bool = True, **settings: object
) -> Iterator[ServiceProcess]:
    """Run ``python -m service serve`` on a free port.

    Args:
        model: the model file to serve.
        folder: for its log.
        ready: whether to wait until it takes requests.
        settings: further settings by their names.
    """
    log = folder / "service.log"
    settings = {"port": 0, "model": model, **settings}
    environment = {f"PNEUMONIA_{name.upper()}": str(value) for name, value in settings.items()}
    with server_process([sys.executable, "-m", "service", "serve"], log, environment) as process:
        wait_until(lambda: log.read_text() or process.poll() is not None, "listening")
        assert process.poll() is None, log.with_suffix(".err").read_text()
        port = int(json.loads(log.read_text().splitlines()[0])["port"])
        if ready:
            wait_until(lambda: health(port) == 200, "ready")
        yield ServiceProcess(process, port, log)


@contextmanager
def server_process(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    """Run a server in a session of its own, and kill all of its processes at the end.

    Args:
        command: to run in the repository's root.
        log: the file that takes its standard output; a pipe that nobody reads would stop it.
        environment: variables to add to this process's own.
    """
    with log.open("w") as output, log.with_suffix(".err").open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # all of them may have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def health(port: int) -> int | None:
    """The status of ``GET /health``, None while nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
