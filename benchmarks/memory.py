"""Resident memory of the service over many predictions, asked for over HTTP.

    python -m benchmarks.memory [FOLDER]

Two clients send the folder's images in turn, or made X-ray-like ones where there is no folder. The
figures are the process's own: resident now and its peak, before the first request and after.
"""

import argparse
import http.client
import io
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.report import RESULTS, ROOT, write_report
from benchmarks.running import running_service

CLIENTS = 2
NATIVE = ROOT.parent / "shared" / "data" / "chest_xray_native"


def main() -> int:
    """Measure and write ``memory.json``."""
    parser = argparse.ArgumentParser(description="Measure memory over many predictions.")
    parser.add_argument("folder", type=Path, nargs="?", default=NATIVE, help="of JPEG files")
    parser.add_argument("--predictions", type=int, default=1000)
    parser.add_argument("--model", type=Path, help="by default the shipped one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.jp*g"))
    images = [path.read_bytes() for path in files] or made_images()
    each = arguments.predictions // CLIENTS
    with running_service(arguments.model) as service:
        ready, _ = resident_megabytes(service.pid)
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [
                pool.submit(predict_all, service.port, images[number::CLIENTS], each)
                for number in range(CLIENTS)
            ]
            statuses = [status for client in clients for status in client.result()]
        after, peak = resident_megabytes(service.pid)
    figures = {
        "predictions": statuses.count(200),
        "refused": len(statuses) - statuses.count(200),
        "images": "original-size chest X-rays" if files else "made images of 1.6 megapixels",
        "ready_megabytes": round(ready),
        "after_megabytes": round(after),
        "peak_megabytes": round(peak),
    }
    print(*(f"{name}: {value}" for name, value in figures.items()), sep="\n")
    print(f"wrote {write_report('memory', figures, arguments.out)}")
    return 0


def predict_all(port: int, images: Sequence[bytes], count: int) -> list[int]:
    """Post ``count`` images, one after another, over one connection; the statuses.

    Raises:
        RuntimeError: an answer that is neither a prediction nor a refusal of the image.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    statuses = []
    for image in itertools.islice(itertools.cycle(images), count):
        connection.request("POST", "/predict", image, {"Content-Type": "image/jpeg"})
        response = connection.getresponse()
        answer = response.read()
        if response.status not in (200, 422):
            raise RuntimeError(f"{response.status} instead of a prediction: {answer.decode()}")
        statuses.append(response.status)
    connection.close()
    return statuses


def resident_megabytes(pid: int) -> tuple[float, float]:
    """Resident memory of a process and its peak so far, in megabytes (10^6); Linux only."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    values = dict(line.split(":", 1) for line in status.splitlines())
    now, peak = (int(values[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, peak


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


if __name__ == "__main__":
    raise SystemExit(main())
