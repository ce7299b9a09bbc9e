"""How throughput, latency and memory grow with clients, image size and replicas."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from benchmarks.load import CLIENTS_A_CORE, raw, wrk
from benchmarks.options import Options, resized
from benchmarks.usage import memory_megabytes
from service.runtime.cpus import usable_cores
from tests.process import ServiceProcess

CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
MEGAPIXELS = (0.05, 0.2, 0.8, 3.2, 12.8, 50.0)
REPLICAS = (1, 2)

# so that the growth with clients is the queue's and nothing is shed
_PATIENT = {"max_wait_seconds": 600, "deadline_seconds": 600}


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``growth.json``."""
    seconds, images = options.seconds or 8, options.images
    with options.service(**_PATIENT) as service:
        clients = [_point(count, [service], images, count, seconds) for count in CLIENTS]
    with options.service(**_PATIENT) as service:
        megapixels = [
            _point(size, [service], [resized(images[0], size)], usable_cores(), seconds)
            for size in MEGAPIXELS
        ]
    replicas = [_replicas(options, count, seconds) for count in REPLICAS]
    return {"seconds": seconds, "clients": clients, "megapixels": megapixels, "replicas": replicas}


def _replicas(options: Options, count: int, seconds: float) -> dict[str, Any]:
    """So many services, each bound to one core, all under load at the same time."""
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        services = []
        for number in range(count):
            os.sched_setaffinity(0, {cores[number % len(cores)]})  # the child inherits it
            try:
                services.append(stack.enter_context(options.service(**_PATIENT)))
            finally:
                os.sched_setaffinity(0, cores)
        return _point(count, services, options.images, CLIENTS_A_CORE, seconds)


def _point(
    at: float,
    services: Sequence[ServiceProcess],
    images: Sequence[bytes],
    clients: int,
    seconds: float,
) -> dict[str, Any]:
    """What services do together under the load of so many clients each."""
    with ThreadPoolExecutor(len(services)) as pool:
        sent = [
            pool.submit(wrk, one.port, "/predict", raw(images), clients, seconds)
            for one in services
        ]
        loads = [one.result() for one in sent]
    point = {
        "at": at,
        "rate": round(sum(load.rate for load in loads), 2),
        "p99_ms": round(max(load.p99_ms for load in loads), 1),
        "megabytes": round(sum(memory_megabytes(one.pid) for one in services)),
        "statuses": [load.statuses for load in loads],
        "failures": sum(load.failures for load in loads),
    }
    print(point)
    return point
