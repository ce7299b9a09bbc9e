"""Memory of the service over many requests, without DICOM files and then with them.

Two clients send what `benchmarks.soak` sends quickly, good and bad, then as many DICOM files as a
tenth of that. Memory is that of all processes of the service together, and pages they share count
once (PSS); its peak is the largest of a look every quarter of a second.
"""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psutil

from benchmarks.options import Options
from benchmarks.soak_traffic import Client, Kind, quick_kinds
from benchmarks.usage import memory_megabytes
from tests.process import ServiceProcess

CLIENTS = 2
_LOOK_SECONDS = 0.25


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``memory.json``."""
    count = options.count or 20_000
    kinds = [kind for kind in quick_kinds(options.images) if kind.path != "/nowhere"]
    dicom = [kind for kind in kinds if kind.name.startswith("DICOM")]
    others = [kind for kind in kinds if kind not in dicom]
    with options.service() as service:
        ready = memory_megabytes(service.pid)
        without = _sent(service, others, count)
        with_dicom = _sent(service, dicom, max(CLIENTS, count // 10))
        processes = 1 + len(psutil.Process(service.pid).children(recursive=True))
    return {
        "images": options.shown,
        "ready_megabytes": round(ready),
        **without,
        "with_dicom": {**with_dicom, "processes": processes},
    }


def _sent(service: ServiceProcess, kinds: Sequence[Kind], count: int) -> dict[str, Any]:
    """Send so many requests by all clients together; memory after them and at its peak.

    Raises:
        RuntimeError: an answer that such a request may not get.
    """
    weights = [kind.weight for kind in kinds]
    found, end = [memory_megabytes(service.pid)], threading.Event()

    def look() -> None:
        while not end.wait(_LOOK_SECONDS):
            found.append(memory_megabytes(service.pid))

    def send(number: int) -> Counter[str]:
        rng, outcomes = random.Random(number), Counter[str]()
        with closing(Client(service)) as client:
            for kind in rng.choices(kinds, weights, k=count // CLIENTS):
                outcome = client.send(kind, rng.choice(kind.payload.bodies))
                if outcome not in kind.expected:
                    raise RuntimeError(f"{kind.name} was answered {outcome}")
                outcomes["predictions" if outcome == "200" else "refused"] += 1
        return outcomes

    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        looking = pool.submit(look)
        try:
            outcomes = sum(pool.map(send, range(CLIENTS)), Counter[str]())
        finally:
            end.set()
        looking.result()
    after = memory_megabytes(service.pid)
    return {
        "predictions": outcomes["predictions"],
        "refused": outcomes["refused"],
        "after_megabytes": round(after),
        "peak_megabytes": round(max(*found, after)),
    }
