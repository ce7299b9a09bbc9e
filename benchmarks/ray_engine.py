"""The Ray engine of ``pneumonia predict`` against the local one, and its growth with nodes.

Growth is measured with images from a store that answers late, so that a node of one core reads for
most of its time: four such nodes then need no more cores than a small machine has.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.options import Options
from tests.process import ROOT

NODES = (1, 2, 4)

_ROUNDS = 2
# enough that the seconds in which Ray starts its workers do not decide
_IMAGES = 12_000
# in the growth, where a node is slow
_GROWTH_IMAGES = 1600
_STORE_SECONDS = 0.25
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # by default Ray's workers give way to everything else, which the local engine does not
    "RAY_worker_niceness": "0",
    "PYTHONPATH": str(ROOT),
}


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``ray_engine.json``."""
    count = options.count or _IMAGES
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = folder / "images"
        _write_images(images, options.images, count)
        rounds = [_round(options, folder, images, number) for number in range(_ROUNDS)]
        probabilities, size = _read(folder / "ray-0")
        growth = _growth(options, folder, images, min(_GROWTH_IMAGES, count))
    identical = all(
        probabilities.get(name) == value
        for point in growth
        for name, value in point.pop("probabilities").items()
    )
    return {
        "images": options.shown,
        "count": count,
        "rounds": rounds,
        **{
            name: statistics.median(entry[name] for entry in rounds)
            for name in ("local_rate", "ray_rate", "ray_to_local", "start_seconds")
        },
        "bytes_a_row": size,
        "store_seconds": _STORE_SECONDS,
        "growth": growth,
        "faults": [] if identical else ["nodes answered otherwise than this machine"],
    }


def _write_images(folder: Path, images: list[bytes], count: int) -> None:
    """So many files, of which many have the same content."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if number < len(images):
            path.write_bytes(images[number])
        else:
            path.hardlink_to(folder / f"{number % len(images):05}.jpg")


def _round(options: Options, folder: Path, images: Path, number: int) -> dict[str, float]:
    """Both engines, one after the other; every other time the other way round."""
    names = ("local", "ray") if number % 2 == 0 else ("ray", "local")
    found: dict[str, float] = {}
    for name in names:
        if name == "local":
            told = _predict(options, images, "--out", folder / f"local-{number}.jsonl")
            found["local_rate"] = float(re.findall(r"([\d.]+) a second", told)[-1])
        else:
            report = _by_ray(options, folder / f"ray-{number}", images)
            found |= {
                "ray_rate": report["images_a_second"],
                "start_seconds": report["seconds_to_start"],
            }
    found["ray_to_local"] = round(found["ray_rate"] / found["local_rate"], 4)
    print(found)
    return found


def _growth(options: Options, folder: Path, images: Path, count: int) -> list[dict[str, Any]]:
    """The same images on more and more nodes."""
    points: list[dict[str, Any]] = []
    with _late_store(images) as store:
        manifest = folder / "growth.parquet"
        urls = [f"{store}/{number:05}.jpg" for number in range(count)]
        pq.write_table(pa.table({"path": urls}), manifest)
        for nodes in NODES:
            with _cluster(nodes) as address:
                out = folder / f"nodes-{nodes}"
                report = _by_ray(options, out, manifest, RAY_ADDRESS=address)
            rate = report["images_a_second"]
            first = points[0]["rate"] if points else rate
            point = {"nodes": nodes, "rate": rate, "times": round(rate / first, 2)}
            print(point)
            points.append({**point, "probabilities": _read(out)[0]})
    return points


@contextmanager
def _late_store(folder: Path) -> Iterator[str]:
    """A folder over HTTP, each file of which takes its time."""

    class Late(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(_STORE_SECONDS)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Late, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def _cluster(nodes: int) -> Iterator[str]:
    """So many Ray nodes of one core."""
    os.environ.update(_ENVIRONMENT)
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_log_monitor": False}
    head = {**node, "include_dashboard": False, "no_monitor": True}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        yield cluster.address
    finally:
        cluster.shutdown()


def _by_ray(options: Options, out: Path, *words: Path, **environment: str) -> dict[str, Any]:
    """The report of a run."""
    _predict(options, *words, "--engine", "ray", "--out", out, environment=environment)
    report: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return report


def _predict(
    options: Options, *words: str | Path, environment: Mapping[str, str] | None = None
) -> str:
    """What the command writes to standard error."""
    command = [sys.executable, "-m", "service", "predict", "--model", options.model, *words]
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **_ENVIRONMENT, **(environment or {})},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):  # an image may be refused
        raise RuntimeError(done.stderr)
    return done.stderr


def _read(out: Path) -> tuple[dict[str, float], float]:
    """The probabilities by the file's name, and how many bytes a row takes."""
    rows = pq.read_table(out / "answers").select(["file", "probability"]).to_pylist()
    size = sum(path.stat().st_size for path in (out / "answers").rglob("*.parquet"))
    return {Path(row["file"]).name: row["probability"] for row in rows}, size / len(rows)
