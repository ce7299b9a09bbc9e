"""Load on a service: what is sent, and `wrk`, which sends it as fast as the answers come.

`benchmarks.open_loop` sends at a fixed rate instead, whatever the answers do.
"""

import base64
import json
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path

import httpx

# a whole prediction each; a refusal of the input check costs one too
PREDICTED = (HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY)
# enough that a worker always finds the next image, and few enough that none is shed
CLIENTS_A_CORE = 3
_BOUNDARY = "cd8e9a1f4b"


@dataclass(frozen=True)
class Payload:
    """What is posted: one content type, and the bodies in turn."""

    content_type: str
    bodies: Sequence[bytes]


@dataclass(frozen=True)
class Load:
    """What came of a load.

    Attributes:
        seconds: how long it was sent.
        statuses: HTTP status -> answers.
        failures: requests without an answer: broken connections and timeouts.
        p50_ms: median latency of the answers, all statuses together.
        p99_ms: its 99th percentile.
        mean_ms: its mean.
        client_cpu_seconds: what the client itself used of the same cores; without a service, what
            the work did.
    """

    seconds: float
    statuses: dict[str, int]
    failures: int
    p50_ms: float
    p99_ms: float
    mean_ms: float
    client_cpu_seconds: float

    @property
    def predicted(self) -> int:
        """Answers that cost a whole prediction."""
        return sum(self.statuses.get(str(int(status)), 0) for status in PREDICTED)

    @property
    def rate(self) -> float:
        """Predictions a second."""
        return self.predicted / self.seconds

    def check(self) -> "Load":
        """This load, if every request got a prediction.

        Raises:
            RuntimeError: some did not; a figure made of errors says nothing.
        """
        if self.failures or self.predicted != sum(self.statuses.values()):
            raise RuntimeError(f"not every request was answered: {self.statuses}, {self.failures}")
        return self


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of the values do not exceed; NaN of none."""
    ascending = sorted(values) or [math.nan]
    return ascending[min(len(ascending) - 1, int(len(ascending) * percent / 100))]


def repeat(step: Callable[[], object], threads: int, seconds: float) -> Load:
    """Do a step again and again on so many threads, without any service."""
    start, cpu = time.perf_counter(), time.process_time()

    def work(_: int) -> list[float]:
        moments = [start]
        while moments[-1] - start < seconds:
            step()
            moments.append(time.perf_counter())
        return [after - before for before, after in pairwise(moments)]

    with ThreadPoolExecutor(threads) as pool:
        took = [one for many in pool.map(work, range(threads)) for one in many]
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    p50, p99 = (percentile(took, percent) * 1e3 for percent in (50, 99))
    return Load(wall, {"200": len(took)}, 0, p50, p99, sum(took) / len(took) * 1e3, used)


def raw(images: Sequence[bytes]) -> Payload:
    """The image as the body."""
    return Payload("image/jpeg", images)


def form(images: Sequence[bytes], field: str = "file") -> Payload:
    """The image as a form's field."""
    return forms([[image] for image in images], field)


def forms(groups: Sequence[Sequence[bytes]], field: str) -> Payload:
    """The images of each group as fields of one name in one form."""
    kind = f"multipart/form-data; boundary={_BOUNDARY}"
    files = [[(field, ("chest.jpeg", image, "image/jpeg")) for image in one] for one in groups]
    forms = [httpx.Request("POST", "/", headers={"Content-Type": kind}, files=one) for one in files]
    return Payload(kind, [form.read() for form in forms])


def open_inference(images: Sequence[bytes]) -> Payload:
    """The image as base64 in a request of the Open Inference Protocol."""
    tensor = {
        "name": "image",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"content_type": "base64"},
    }
    data = [[base64.b64encode(image).decode()] for image in images]
    bodies = [json.dumps({"inputs": [{**tensor, "data": one}]}).encode() for one in data]
    return Payload("application/json", bodies)


def wrk(port: int, path: str, payload: Payload, clients: int, seconds: float) -> Load:
    """Post a payload's bodies in turn, each client its next as soon as it has an answer.

    Raises:
        FileNotFoundError: wrk is not installed.
        RuntimeError: it failed.
    """
    program = shutil.which("wrk")
    if program is None:
        raise FileNotFoundError("needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(number) for number in range(len(payload.bodies))]
        for file, body in zip(files, payload.bodies, strict=True):
            file.write_bytes(body)
        before = os.times()
        command = [program, "--connections", str(clients), "--duration"]
        command += [f"{max(1, round(seconds))}s", "--timeout", "30s"]
        command += ["--threads", "1"]  # more would take the cores from the service
        command += ["--script", str(Path(__file__).with_name("wrk.lua"))]
        command += [f"http://127.0.0.1:{port}{path}", "--", payload.content_type]
        command += map(str, files)
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        after = os.times()
    found = [line for line in result.stdout.splitlines() if line.startswith("{")]
    if result.returncode or not found:
        raise RuntimeError(f"wrk failed: {result.stderr or result.stdout}")
    figures = json.loads(found[-1])
    return Load(
        seconds=figures["microseconds"] / 1e6,
        statuses=figures["statuses"],
        failures=figures["failures"],
        p50_ms=figures["p50"] / 1e3,
        p99_ms=figures["p99"] / 1e3,
        mean_ms=figures["mean"] / 1e3,
        client_cpu_seconds=(after.children_user + after.children_system)
        - (before.children_user + before.children_system),
    )
