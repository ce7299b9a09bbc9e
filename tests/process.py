"""The service as a real process, as users run it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class ServiceProcess:
    """A running service.

    Attributes:
        process: to signal and to wait for.
        port: it listens on, of 127.0.0.1.
        log: the file its standard output goes to.
    """

    process: "subprocess.Popen[str]"
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

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
    environment = {
        **os.environ,
        "PNEUMONIA_PORT": "0",
        "PNEUMONIA_MODEL": str(model),
        **{f"PNEUMONIA_{name.upper()}": str(value) for name, value in settings.items()},
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        running = ServiceProcess(process, _port(process, log), log)
        if ready:
            _wait_until_ready(running)
        yield running
    finally:
        process.kill()
        process.communicate()


def _port(process: "subprocess.Popen[str]", log: Path) -> int:
    for _ in range(1000):
        assert process.poll() is None, f"the service ended: {process.communicate()[1]}"
        lines = log.read_text().splitlines()
        if lines:
            return int(json.loads(lines[0])["port"])
        time.sleep(0.02)
    raise AssertionError("the service does not listen")


def _wait_until_ready(running: ServiceProcess) -> None:
    for _ in range(1000):
        assert running.process.poll() is None, "the service ended"
        if httpx.get(f"{running.url}/health/ready").status_code == 200:
            return
        time.sleep(0.02)
    raise AssertionError("the service did not become ready")
