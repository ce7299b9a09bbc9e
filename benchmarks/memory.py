"""Resident memory of the service over many requests, good and bad, over HTTP.

    python -m benchmarks.memory [FOLDER]

Two clients send the folder's images in turn, or made X-ray-like ones where there is no folder; with
``--mix mixed`` also broken, huge and batched ones and requests for the evidence. The figures are
the process's own: resident now and its peak, before the first request, after a quarter of them, and
after all.
"""

import argparse
import http.client
import io
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from benchmarks.load import NATIVE, Payload, form, made_images, raw
from benchmarks.report import RESULTS, write_report
from benchmarks.running import running_service

CLIENTS = 2
# what any of these requests may be answered with
_EXPECTED = (200, 400, 415, 422)


def main() -> int:
    """Measure and write ``memory.json``."""
    parser = argparse.ArgumentParser(description="Measure memory over many predictions.")
    parser.add_argument("folder", type=Path, nargs="?", default=NATIVE, help="of JPEG files")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--mix", choices=("good", "mixed"), default="mixed")
    parser.add_argument("--model", type=Path, help="by default the shipped one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.jp*g"))
    images = [path.read_bytes() for path in files] or made_images()
    requests = mixed(images) if arguments.mix == "mixed" else good(images)
    quarter, rest = arguments.requests // 4, arguments.requests - arguments.requests // 4
    with running_service(arguments.model) as service:
        ready, _ = resident_megabytes(service.pid)
        statuses = send_all(service.port, requests, quarter)
        early, _ = resident_megabytes(service.pid)
        statuses += send_all(service.port, requests, rest)
        after, peak = resident_megabytes(service.pid)
    figures = {
        "mix": arguments.mix,
        "predictions": statuses.count(200),
        "refused": len(statuses) - statuses.count(200),
        "images": "original-size chest X-rays" if files else "made images of 1.6 megapixels",
        "ready_megabytes": round(ready),
        "after_a_quarter_megabytes": round(early),
        "after_megabytes": round(after),
        "peak_megabytes": round(peak),
    }
    print(*(f"{name}: {value}" for name, value in figures.items()), sep="\n")
    print(f"wrote {write_report('memory', figures, arguments.out)}")
    return 0


Request: TypeAlias = tuple[str, Payload]


def good(images: Sequence[bytes]) -> list[Request]:
    """One prediction of each image."""
    return [("/predict", raw([image])) for image in images]


def mixed(images: Sequence[bytes]) -> list[Request]:
    """Of twenty: twelve plain, three forms, two broken, one each huge, batch, explain."""
    turns = itertools.cycle(images)
    huge = enlarged(images[0], 24_000_000)
    requests: list[Request] = []
    for _ in range(len(images)):
        requests += [("/predict", raw([next(turns)])) for _ in range(12)]
        requests += [("/predict", form([next(turns)])) for _ in range(3)]
        requests += [("/predict", raw([next(turns)[:5000]])), ("/predict", raw([b"no image"]))]
        requests += [("/predict/batch", form([next(turns)], "files"))]
        requests += [("/explain", raw([next(turns)])), ("/predict", raw([huge]))]
    return requests


def enlarged(image: bytes, pixels: int) -> bytes:
    """The same picture with so many pixels, as JPEG."""
    with Image.open(io.BytesIO(image)) as picture:
        scale = (pixels / (picture.width * picture.height)) ** 0.5
        size = round(picture.width * scale), round(picture.height * scale)
        stream = io.BytesIO()
        picture.convert("L").resize(size).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def send_all(port: int, requests: Sequence[Request], count: int) -> list[int]:
    """Post ``count`` requests by all clients together; the statuses."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [
            pool.submit(_send, port, requests[number::CLIENTS], count // CLIENTS)
            for number in range(CLIENTS)
        ]
        return [status for client in clients for status in client.result()]


def _send(port: int, requests: Sequence[Request], count: int) -> list[int]:
    """Post requests, one after another, over one connection.

    Raises:
        RuntimeError: an answer that none of these requests may get.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    statuses = []
    for path, payload in itertools.islice(itertools.cycle(requests), count):
        kind = {"Content-Type": payload.content_type}
        connection.request("POST", path, payload.bodies[0], kind)
        response = connection.getresponse()
        answer = response.read()
        if response.status not in _EXPECTED:
            raise RuntimeError(f"{response.status} from {path}: {answer[:200]!r}")
        statuses.append(response.status)
    connection.close()
    return statuses


def resident_megabytes(pid: int) -> tuple[float, float]:
    """Resident memory of a process and its peak so far, in megabytes (10^6); Linux only."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    values = dict(line.split(":", 1) for line in status.splitlines())
    now, peak = (int(values[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, peak


if __name__ == "__main__":
    raise SystemExit(main())
