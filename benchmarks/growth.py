"""How throughput, latency and memory grow with clients, image size and replicas; with plots.

python -m benchmarks.growth [FOLDER]
"""

import argparse
import io
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

from benchmarks.load import NATIVE, Load, images_of, made_images, raw, wrk
from benchmarks.processes import resident_megabytes
from benchmarks.report import RESULTS, ROOT, write_report
from benchmarks.running import running_service
from service.runtime.cpus import usable_cores
from service.settings import DEFAULT_MODEL

mpl.use("Agg")
from matplotlib import pyplot as plt

CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
MEGAPIXELS = (0.05, 0.2, 0.8, 3.2, 12.8, 50.0)
REPLICAS = (1, 2)
IMAGES = ROOT / "docs" / "images"

# so that the growth with clients is the queue's and nothing is shed
_PATIENT = {"PNEUMONIA_MAX_WAIT_SECONDS": "600", "PNEUMONIA_DEADLINE_SECONDS": "600"}


def main() -> int:
    """Measure, write ``growth.json`` and draw ``growth-*.png``."""
    parser = argparse.ArgumentParser(description="Measure growth.")
    parser.add_argument("folder", type=Path, nargs="?", default=NATIVE, help="of JPEG files")
    parser.add_argument("--made", action="store_true", help="use made images, no folder")
    parser.add_argument("--seconds", type=int, default=8, help="of each point")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--plots", type=Path, default=IMAGES, help="the plots' folder")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    arguments = parser.parse_args()
    images = made_images() if arguments.made else images_of(arguments.folder)
    seconds, cores = arguments.seconds, usable_cores()
    figures: dict[str, Any] = {"seconds": seconds, "clients": [], "megapixels": [], "replicas": []}
    with running_service(arguments.model, _PATIENT) as service:
        for clients in CLIENTS:
            load = wrk(service.port, "/predict", raw(images), clients, seconds)
            figures["clients"].append(_point(clients, load, service.pid))
            print("clients", figures["clients"][-1])
    with running_service(arguments.model, _PATIENT) as service:
        for size in MEGAPIXELS:
            load = wrk(service.port, "/predict", raw([_sized(images[0], size)]), cores, seconds)
            figures["megapixels"].append(_point(size, load, service.pid))
            print("megapixels", figures["megapixels"][-1])
    for replicas in REPLICAS:
        figures["replicas"].append(_replicas(replicas, images, arguments.model, seconds))
        print("replicas", figures["replicas"][-1])
    arguments.plots.mkdir(parents=True, exist_ok=True)
    for name in ("clients", "megapixels"):
        _draw(name, figures[name], arguments.plots / f"growth-{name}.png")
    print(f"wrote {write_report('growth', figures, arguments.out)}")
    return 0


def _point(at: float, load: Load, pid: int) -> dict[str, Any]:
    return {
        "at": at,
        "rate": round(load.rate, 2),
        "p50_ms": round(load.p50_ms, 1),
        "p99_ms": round(load.p99_ms, 1),
        "megabytes": round(resident_megabytes(pid)),
        "statuses": load.statuses,
        "failures": load.failures,
    }


def _sized(image: bytes, megapixels: float) -> bytes:
    """The same picture with so many pixels, as JPEG."""
    picture = Image.open(io.BytesIO(image)).convert("L")
    scale = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
    size = round(picture.width * scale), round(picture.height * scale)
    stream = io.BytesIO()
    picture.resize(size).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _replicas(count: int, images: list[bytes], model: Path, seconds: int) -> dict[str, Any]:
    """So many services, each bound to one core, all under load at the same time."""
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        services = []
        for number in range(count):
            os.sched_setaffinity(0, {cores[number % len(cores)]})  # the child inherits it
            try:
                services.append(stack.enter_context(running_service(model, _PATIENT)))
            finally:
                os.sched_setaffinity(0, cores)
        with ThreadPoolExecutor(count) as pool:
            loads = list(
                pool.map(lambda one: wrk(one.port, "/predict", raw(images), 3, seconds), services)
            )
        return {
            "at": count,
            "rate": round(sum(load.rate for load in loads), 2),
            "p50_ms": round(float(np.mean([load.p50_ms for load in loads])), 1),
            "p99_ms": round(max(load.p99_ms for load in loads), 1),
            "megabytes": round(sum(resident_megabytes(service.pid) for service in services)),
        }


def _draw(name: str, points: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
    panels = (("rate", "images / s"), ("p99_ms", "p99, ms"), ("megabytes", "resident, MB"))
    for panel, (key, label) in zip(axes, panels, strict=True):
        panel.plot([point["at"] for point in points], [point[key] for point in points], "o-")
        panel.set(xscale="log", xlabel=name, ylabel=label)
        panel.set_ylim(bottom=0)
    figure.savefig(path, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    raise SystemExit(main())
