"""Memory of the service over many requests, without DICOM files and then with them.

Two clients send what `benchmarks.soak` sends quickly, good and bad, then as many DICOM files as a
tenth of that. Memory is that of all processes of the service together, and pages they share count
once (PSS); its peak is the largest of a look every quarter of a second.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import psutil

from benchmarks.options import Options
from benchmarks.traffic import Kind, quick_kinds, send_mixed, unexpected
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
    faults = without.pop("faults") + with_dicom.pop("faults")
    return {
        "images": options.shown,
        "ready_megabytes": round(ready),
        **without,
        "with_dicom": {**with_dicom, "processes": processes},
        "faults": faults,
    }


def _sent(service: ServiceProcess, kinds: Sequence[Kind], count: int) -> dict[str, Any]:
    """Send so many requests by all clients together; memory after them and at its peak."""

    def more(sent: int) -> bool:
        return sent < count // CLIENTS

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(send_mixed, service, kinds, seed, more) for seed in range(CLIENTS)]
        peak = memory_megabytes(service.pid)
        while wait(clients, _LOOK_SECONDS).not_done:
            peak = max(peak, memory_megabytes(service.pid))
        exchanges = [exchange for client in clients for exchange in client.result()]
    after = memory_megabytes(service.pid)
    predictions = sum(exchange.outcome == "200" for exchange in exchanges)
    return {
        "predictions": predictions,
        "refused": len(exchanges) - predictions,
        "after_megabytes": round(after),
        "peak_megabytes": round(max(peak, after)),
        "faults": unexpected(exchanges),
    }
