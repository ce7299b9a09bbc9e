"""Servers as real processes, the service above all, for tests and benchmarks."""

import http.client
import json
import os
import random
import shlex
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

# Linux gives out ports from 32768 on by itself, to whoever connects or listens on any
_PORTS = range(20_000, 32_768)
_given: set[int] = set()


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
    model: Path, folder: Path, *, ready: bool = True, group: Path | None = None, **settings: object
) -> Iterator[ServiceProcess]:
    """Run ``python -m service serve`` on a free port.

    Args:
        model: the model file to serve.
        folder: for its log.
        ready: whether to wait until it takes requests.
        group: the control group to run in.
        settings: further settings by their names.
    """
    log = folder / "service.log"
    settings = {"port": 0, "model": model, **settings}
    environment = {f"PNEUMONIA_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "service", "serve"]
    if group:
        enter = f"echo $$ > {group / 'cgroup.procs'}; exec "
        command = ["/bin/sh", "-c", enter + shlex.join(command)]
    with server_process(command, log, environment) as process:
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
    return status_of(port, "/health", seconds=5)


def status_of(
    port: int,
    path: str,
    body: bytes | None = None,
    content_type: str = "image/jpeg",
    seconds: float = 30,
) -> int | None:
    """The status of an answer on a connection of its own, None where there is none in time.

    Args:
        port: of 127.0.0.1.
        path: to ask for.
        body: to post; None for GET.
        content_type: of the body.
        seconds: to wait for every part of the answer.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        headers = {} if body is None else {"Content-Type": content_type}
        connection.request("GET" if body is None else "POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def peak_megabytes(pid: int) -> float:
    """The most that a process has had in memory at a time, 10^6 bytes."""
    # not ru_maxrss, which begins with what the process that started this one once took
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on, and another one each time.

    Whoever asks for it listens on it later, so it is none that the system would give to somebody
    else until then.
    """
    while True:
        # not the tests' own generator, which some of them seed
        port = random.SystemRandom().choice(_PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def make(*words: str) -> None:
    """Run one of the project's commands; what it needs is taken as installed."""
    # a test is run by make itself, perhaps by one with options and ARGS of its own
    environment = {
        name: value for name, value in os.environ.items() if "MAKE" not in name and name != "ARGS"
    }
    installed = (".tools/.installed", ".venv/.serving", ".venv/.development")
    command = ["make", *(word for stamp in installed for word in ("--assume-old", stamp)), *words]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
