"""Five times more requests than can be answered, for a while: who is answered, when, and after it.

First the capacity is measured (clients that wait for their answers), then requests arrive at five
times that rate whatever comes back, then the capacity once more. Meanwhile, and after it, the
service is asked for its health and its metrics through connections of their own, as a load balancer
and Prometheus do, and for one image after another, which shows when the flood is over for the next
client. All these clients work on the service's own cores; so goodput and capacity are compared per
core that the clients left. Takes about twice the flood's time.

A fault is what is not answered, answered with an error, or not given back; times are told.
"""

import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

from benchmarks.load import CLIENTS_A_CORE, PREDICTED, Load, percentile, raw, wrk
from benchmarks.open_loop import Arrivals, arrive
from benchmarks.options import Options
from benchmarks.traffic import Exchange, Kind, send_mixed, unexpected
from benchmarks.usage import Usage
from service.runtime.cpus import usable_cores
from tests.process import ServiceProcess

TIMES = 5
_WATCHED_SECONDS = 4.0  # before the flood and after it
# uploads that were held leave holes in the heap
_MOST_KEPT_MEGABYTES = 64
# far more often than load balancers and Prometheus ask, and so seldom that it is no load of its own
_PROBE_SECONDS = 0.25
_PROBES = [
    Kind(path, path, None, frozenset(("200",)), manner="alone") for path in ("/health", "/metrics")
]
_EXPECTED = {200, 422, 429}
_SETTLED = 5


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``overload.json``."""
    images, seconds, cores = options.few_images, options.seconds or 60, usable_cores()
    end = threading.Event()

    def capacity(service: ServiceProcess, seconds: float) -> Load:
        return wrk(service.port, "/predict", raw(images), CLIENTS_A_CORE * cores, seconds)

    def watch(service: ServiceProcess, kind: Kind, pause: float) -> list[Exchange]:
        return send_mixed(service, [kind], 0, lambda _: not end.wait(pause))

    with (
        options.service() as service,
        # the flood comes from a process of its own, so that it does not wait for those who watch
        ProcessPoolExecutor(1, get_context("spawn")) as pool,
        ThreadPoolExecutor() as threads,
    ):
        capacity(service, 1)
        before = capacity(service, max(2, seconds / 4)).check()
        pool.submit(time.monotonic).result()
        held = Usage.of(service)
        probes = [threads.submit(watch, service, kind, _PROBE_SECONDS) for kind in _PROBES]
        one_image = Kind("one client", "/predict", raw(images[:1]), manner="alone")
        client = threads.submit(watch, service, one_image, 0.05)
        try:
            time.sleep(_WATCHED_SECONDS)
            cpu = time.process_time()
            rate = TIMES * before.rate
            begun, flood = pool.submit(_flood, service.port, images, rate, seconds).result()
            client_cores = (flood.cpu_seconds + time.process_time() - cpu) / seconds
            time.sleep(_WATCHED_SECONDS)
        finally:
            end.set()
        asked = [exchange for probe in probes for exchange in probe.result()]
        exchanges = client.result()
        kept = Usage.of(service).kept_since(held, _MOST_KEPT_MEGABYTES)
        after = capacity(service, max(2, seconds / 4)).check()
    over = begun + seconds
    recovery = _recovery(exchanges, begun, over)
    probe_seconds = [one.seconds for one in asked if begun <= one.at < over]
    admitted, shed = flood.load(*PREDICTED), flood.load(429)
    watched = sum(_answered(one) and begun <= one.at < over for one in exchanges)
    goodput = (admitted.predicted + watched) / seconds
    capacity_per_core = [
        load.rate / (cores - load.client_cpu_seconds / load.seconds) for load in (before, after)
    ]
    share = goodput / (cores - client_cores) / statistics.mean(capacity_per_core)
    return {
        "seconds": seconds,
        "capacity_before": round(before.rate, 1),
        "capacity_after": round(after.rate, 1),
        "offered": round(sum(map(len, flood.latencies.values())) / seconds, 1),
        "goodput": round(goodput, 1),
        "goodput_of_capacity_per_core_left": round(share, 3),
        "flood_client_cores": round(client_cores, 2),
        "statuses": dict(sorted(admitted.statuses.items())),
        "failures": flood.failures,
        "admitted_p99_ms": round(admitted.p99_ms),
        "shed_p50_ms": round(shed.p50_ms),
        "probe_p99_ms": round(1e3 * percentile(probe_seconds, 99), 1),
        "recovery_seconds": None if recovery is None else round(recovery, 2),
        "faults": _faults(flood, recovery) + unexpected(asked) + kept,
    }


def _flood(
    port: int, images: Sequence[bytes], rate: float, seconds: float
) -> tuple[float, Arrivals]:
    begun = time.monotonic()
    return begun, arrive(port, "/predict", raw(images), rate, seconds)


def _answered(exchange: Exchange) -> bool:
    return exchange.outcome in exchange.kind.expected


def _recovery(exchanges: list[Exchange], begun: float, over: float) -> float | None:
    """Seconds from the flood's end until a client is answered as before it; None for never.

    That is five times in a row, none slower than three times its median of before.
    """
    usual = 3 * statistics.median(one.seconds for one in exchanges if one.at < begun)
    later = [one for one in exchanges if one.at >= over]
    good = [_answered(one) and one.seconds <= usual for one in later]
    for number, exchange in enumerate(later[: 1 - _SETTLED]):
        if all(good[number : number + _SETTLED]):
            return exchange.at - over
    return None


def _faults(flood: Arrivals, recovery: float | None) -> list[str]:
    strange = sorted(flood.latencies.keys() - _EXPECTED)
    found = {
        f"{flood.failures} requests without an answer": flood.failures,
        f"answers with status {', '.join(map(str, strange))}": strange,
        "no recovery": recovery is None,
    }
    return [fault for fault, there in found.items() if there]
