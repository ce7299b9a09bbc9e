"""Load on a service: what is sent, and `wrk`, which sends it as fast as the answers come.

`benchmarks.open_loop` sends at a fixed rate instead, whatever the answers do.
"""

import base64
import io
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.report import ROOT

NATIVE = ROOT.parent / "shared" / "data" / "chest_xray_native"

# of one thread: more would take the cores from the service
_WRK_THREADS = 1
_LUA = Path(__file__).parent / "wrk.lua"
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
        client_cpu_seconds: what the client itself used of the same cores.
    """

    seconds: float
    statuses: dict[str, int]
    failures: int
    p50_ms: float
    p99_ms: float
    mean_ms: float
    client_cpu_seconds: float

    @property
    def judged(self) -> int:
        """Answers that cost a whole prediction; a refusal of the input check (422) does too."""
        return self.statuses.get("200", 0) + self.statuses.get("422", 0)

    @property
    def rate(self) -> float:
        """Judged images a second."""
        return self.judged / self.seconds

    def check(self) -> "Load":
        """This load, if every request was judged.

        Raises:
            RuntimeError: some were not; a figure made of errors says nothing.
        """
        if self.failures or self.judged != sum(self.statuses.values()):
            raise RuntimeError(f"not every request was judged: {self.statuses}, {self.failures}")
        return self


def raw(images: Sequence[bytes]) -> Payload:
    """The image as the body."""
    return Payload("image/jpeg", images)


def form(images: Sequence[bytes], field: str = "file") -> Payload:
    """The image as a form's field."""
    return forms([[image] for image in images], field)


def forms(groups: Sequence[Sequence[bytes]], field: str) -> Payload:
    """The images of each group as fields of one name in one form."""
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="chest.jpeg"'
        "\r\nContent-Type: image/jpeg\r\n\r\n"
    ).encode()
    tail = f"--{_BOUNDARY}--\r\n".encode()
    return Payload(
        f"multipart/form-data; boundary={_BOUNDARY}",
        [b"".join(head + image + b"\r\n" for image in group) + tail for group in groups],
    )


def open_inference(images: Sequence[bytes]) -> Payload:
    """The image as base64 in a request of the Open Inference Protocol."""
    return Payload(
        "application/json",
        [
            json.dumps(
                {
                    "inputs": [
                        {
                            "name": "image",
                            "shape": [1],
                            "datatype": "BYTES",
                            "data": [base64.b64encode(image).decode()],
                            "parameters": {"content_type": "base64"},
                        }
                    ]
                }
            ).encode()
            for image in images
        ],
    )


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
        files = []
        for number, body in enumerate(payload.bodies):
            files.append(Path(folder) / str(number))
            files[-1].write_bytes(body)
        whole = max(1, round(seconds))  # wrk counts in whole seconds
        before = os.times()
        result = subprocess.run(
            [program, f"-t{_WRK_THREADS}", f"-c{clients}", f"-d{whole}s", "--timeout", "30s"]
            + ["-s", str(_LUA), f"http://127.0.0.1:{port}{path}", "--", payload.content_type]
            + [str(file) for file in files],
            capture_output=True,
            text=True,
            check=False,
        )
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


def images_of(folder: Path, most: int | None = None) -> list[bytes]:
    """The JPEG files under a folder, evenly chosen where there are more than ``most``.

    Raises:
        FileNotFoundError: there is none.
    """
    files = sorted(folder.rglob("*.jp*g"))
    if not files:
        raise FileNotFoundError(
            f"there is no JPEG file under {folder}: name a folder of chest X-rays, or --made "
            "for made ones"
        )
    step = max(1.0, len(files) / most) if most else 1.0
    return [files[int(number * step)].read_bytes() for number in range(int(len(files) / step))]


def made_images(count: int = 20, height: int = 1100, width: int = 1450) -> list[bytes]:
    """Grey JPEGs with two dark lungs, seeded: what a decoder and a network must do is the same."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lungs = sum(
        np.exp(-(((columns - side) / 0.25) ** 2) - (rows / 0.6) ** 2) for side in (-0.45, 0.45)
    )
    images = []
    for _ in range(count):
        pixels = 170 - 110 * lungs + random.normal(0, 8, (height, width))
        buffer = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        images.append(buffer.getvalue())
    return images
