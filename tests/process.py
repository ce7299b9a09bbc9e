"""The service as a real process, as users run it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
        log: the file its standard output goes to.
    """

    process: "subprocess.Popen[str]"
    port: int
    log: Path

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
        wait_until(lambda: log.read_text() or process.poll() is not None, "listening")
        assert process.poll() is None, f"the service ended: {process.communicate()[1]}"
        port = int(json.loads(log.read_text().splitlines()[0])["port"])
        running = ServiceProcess(process, port, log)
        if ready:
            wait_until(lambda: running.get("/health/ready").status_code == 200, "ready")
        yield running
    finally:
        process.kill()
        process.communicate()
