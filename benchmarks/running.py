"""The real service as a process, as `make serve` starts it, for measuring from outside."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from benchmarks.report import ROOT

_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Service:
    """A service that takes requests.

    Attributes:
        port: on 127.0.0.1.
        pid: of its one process.
        seconds_to_ready: from the start of the process to the first 200 of ``/health``.
    """

    port: int
    pid: int
    seconds_to_ready: float


@contextmanager
def running_service(
    model: Path | None = None, settings: dict[str, str] | None = None
) -> Iterator[Service]:
    """Start the service on a free port, wait until it is ready, stop it at the end.

    Args:
        model: the model file; by default the shipped one.
        settings: further ``PNEUMONIA_`` variables.

    Raises:
        RuntimeError: it ended before it was ready (its own words are on stderr), or never was.
    """
    port = free_port()
    # as the launcher and the image set it
    malloc = {"MALLOC_ARENA_MAX": "1"}
    environment = {**malloc, **os.environ, "PNEUMONIA_PORT": str(port), **(settings or {})}
    if model is not None:
        environment["PNEUMONIA_MODEL"] = str(model)
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(process, port)
        yield Service(port, process.pid, time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def health(port: int) -> int | None:
    """The status of ``GET /health``, None while nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


def scrape(port: int) -> list[Sample]:
    """Every sample of ``GET /metrics``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    families = text_string_to_metric_families(text)
    return [sample for family in families for sample in family.samples]


def answers(port: int) -> Counter[str]:
    """Status -> answers so far, by the service's own count."""
    found: Counter[str] = Counter()
    for sample in scrape(port):
        if sample.name == "pneumonia_requests_total" and sample.value:
            found[sample.labels["status"]] += int(sample.value)
    return found


def stage_seconds(port: int) -> dict[str, tuple[float, float]]:
    """Stage -> seconds spent in it so far and how many times."""
    found = {
        (sample.name.rpartition("_")[2], sample.labels["stage"]): sample.value
        for sample in scrape(port)
        if sample.name.startswith("pneumonia_stage_seconds_")
    }
    return {
        stage: (found["sum", stage], count)
        for (kind, stage), count in found.items()
        if kind == "count"
    }


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while health(port) != 200:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the service was not ready within {_PATIENCE_SECONDS} s")
        time.sleep(0.005)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
