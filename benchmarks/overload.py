"""Five times more requests than can be answered, for a while: who is answered, when, and after it.

    python -m benchmarks.overload [FOLDER] [--seconds 60]

First the capacity is measured (clients that wait for their answers), then requests arrive at five
times that rate whatever comes back, then the capacity once more. Meanwhile, and after it, the
service is asked for its health and its metrics through connections of their own, as a load balancer
and Prometheus do, and for one image after another, which shows when the flood is over for the next
client. All these clients work on the service's own cores; so goodput and capacity are compared per
core that the clients left. Takes about twice the flood's time.

Fails when something is not answered, answered with an error, or not given back; times are told.
"""

import argparse
import http.client
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.load import NATIVE, images_of, made_images, raw, wrk
from benchmarks.open_loop import JUDGED, Arrivals, arrive, percentile
from benchmarks.process_usage import ProcessUsage
from benchmarks.report import RESULTS, write_report
from benchmarks.running import Service, running_service
from service.runtime.cpus import usable_cores

TIMES = 5
MOST_ADMITTED_SECONDS = 1.0
LEAST_GOODPUT = 0.9
MOST_PROBE_SECONDS = 0.05
MOST_RECOVERY_SECONDS = 2.0
# uploads that were held leave holes in the heap
_MOST_KEPT_MEGABYTES = 64
_IMAGES = 60
_CLIENTS_A_CORE = 3
# far more often than load balancers and Prometheus ask, and so seldom that it is no load of its own
_PROBE_SECONDS = 0.25
_EXPECTED = {"200", "422", "429"}
_SETTLED = 5


@dataclass
class Watch:
    """Somebody who asks the same of a service again and again, on a thread.

    Attributes:
        exchanges: when each was asked (monotonic), its status (None: it failed), its seconds.
    """

    port: int
    path: str
    pause: float
    body: bytes | None = None
    exchanges: list[tuple[float, int | None, float]] = field(default_factory=list)

    def run(self, end: threading.Event) -> None:
        """Ask until the end."""
        while not end.wait(self.pause):
            self.ask()

    def ask(self) -> None:
        """Ask once, through a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        begun = time.monotonic()
        status = None
        try:
            headers = {"Content-Type": "image/jpeg"} if self.body else {}
            connection.request("POST" if self.body else "GET", self.path, self.body, headers)
            response = connection.getresponse()
            response.read()
            status = response.status
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        self.exchanges.append((begun, status, time.monotonic() - begun))

    def between(self, begin: float, end: float) -> list[tuple[float, int | None, float]]:
        """What was asked in that time."""
        return [exchange for exchange in self.exchanges if begin <= exchange[0] < end]


def main(arguments: list[str] | None = None) -> int:
    """Measure and write ``overload.json``."""
    parser = argparse.ArgumentParser(description="Ask five times more than can be answered.")
    parser.add_argument("folder", type=Path, nargs="?", default=NATIVE, help="of JPEG files")
    parser.add_argument("--made", action="store_true", help="use made images, no folder")
    parser.add_argument("--seconds", type=int, default=60, help="of the flood")
    parser.add_argument("--model", type=Path, help="by default the shipped one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    options = parser.parse_args(arguments)
    images = made_images() if options.made else images_of(options.folder, _IMAGES)
    with running_service(options.model) as service:
        figures = measure(service, images, options.seconds)
    for name, value in figures.items():
        print(f"{name}: {value}")
    print(f"wrote {write_report('overload', figures, options.out)}")
    return 1 if figures["faults"] else 0


def measure(service: Service, images: Sequence[bytes], seconds: int) -> dict[str, Any]:
    """Flood a service; the report's figures."""
    payload, clients = raw(images), _CLIENTS_A_CORE * usable_cores()
    each = max(2, seconds // 4)
    wrk(service.port, "/predict", payload, clients, 1)
    before = wrk(service.port, "/predict", payload, clients, each).check()
    probes = [Watch(service.port, path, _PROBE_SECONDS) for path in ("/health", "/metrics")]
    client = Watch(service.port, "/predict", 0.05, images[0])
    end = threading.Event()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(time.monotonic).result()
        _alone(client)
        held = ProcessUsage.of(service.pid)
        threads = [threading.Thread(target=one.run, args=(end,)) for one in (*probes, client)]
        for thread in threads:
            thread.start()
        cpu = time.process_time()
        begun, flood = pool.submit(
            _flood, service.port, images, TIMES * before.rate, seconds
        ).result()
        watching_cpu = time.process_time() - cpu
        time.sleep(2 * MOST_RECOVERY_SECONDS)
        end.set()
        for thread in threads:
            thread.join()
    over = begun + seconds
    holds = ProcessUsage.of(service.pid)
    after = wrk(service.port, "/predict", payload, clients, each).check()
    admitted = flood.load(*JUDGED)
    watched = sum(status in JUDGED for _, status, _ in client.between(begun, over))
    goodput = (admitted.judged + watched) / seconds
    asked = [exchange for probe in probes for exchange in probe.between(begun, over)]
    probe_seconds = sorted(took for _, _, took in asked)
    recovery = _recovery(client, begun, over)
    shed = flood.load(429)
    faults = _faults(flood, asked, recovery) + holds.kept_since(held, _MOST_KEPT_MEGABYTES)
    client_cores = (flood.cpu_seconds + watching_cpu) / seconds
    share = _per_core(goodput, client_cores) / statistics.mean(
        _per_core(load.rate, load.client_cpu_seconds / load.seconds) for load in (before, after)
    )
    met = {
        "admitted p99": admitted.p99_ms <= 1e3 * MOST_ADMITTED_SECONDS,
        "goodput": share >= LEAST_GOODPUT,
        "health and metrics p99": percentile(probe_seconds, 99) <= MOST_PROBE_SECONDS,
        "recovery": recovery is not None and recovery <= MOST_RECOVERY_SECONDS,
    }
    return {
        "seconds": seconds,
        "capacity_before": round(before.rate, 1),
        "capacity_after": round(after.rate, 1),
        "offered": round(sum(map(len, flood.latencies.values())) / seconds, 1),
        "goodput": round(goodput, 1),
        "goodput_of_capacity": round(2 * goodput / (before.rate + after.rate), 3),
        "goodput_of_capacity_per_core_left": round(share, 3),
        "capacity_client_cores": round(before.client_cpu_seconds / before.seconds, 2),
        "flood_client_cores": round(client_cores, 2),
        "statuses": dict(sorted(admitted.statuses.items())),
        "failures": flood.failures,
        "admitted_p50_ms": round(admitted.p50_ms),
        "admitted_p99_ms": round(admitted.p99_ms),
        "shed_p50_ms": round(shed.p50_ms),
        "shed_p99_ms": round(shed.p99_ms),
        "probes": len(probe_seconds),
        "probe_p50_ms": round(1e3 * percentile(probe_seconds, 50), 1),
        "probe_p99_ms": round(1e3 * percentile(probe_seconds, 99), 1),
        "recovery_seconds": None if recovery is None else round(recovery, 2),
        "held_before": held.figures(),
        "held_after": holds.figures(),
        "met": met,
        "faults": faults,
    }


def _alone(client: Watch) -> None:
    """What one client waits for when nobody else asks."""
    for _ in range(20):
        client.ask()


def _flood(port: int, images: Sequence[bytes], rate: float, seconds: int) -> tuple[float, Arrivals]:
    begun = time.monotonic()
    return begun, arrive(port, "/predict", raw(images), rate, seconds)


def _per_core(rate: float, client_cores: float) -> float:
    return rate / (usable_cores() - client_cores)


def _recovery(client: Watch, begun: float, over: float) -> float | None:
    """Seconds from the flood's end until a client is answered as before it; None for never.

    That is five times in a row, none slower than three times its median of before.
    """
    alone = [took for _, _, took in client.between(0, begun)]
    usual = 3 * statistics.median(alone)
    in_a_row = 0
    for asked, status, took in client.between(over, float("inf")):
        in_a_row = in_a_row + 1 if status in JUDGED and took <= usual else 0
        if in_a_row == 1:
            first = asked
        if in_a_row == _SETTLED:
            return first - over
    return None


def _faults(
    flood: Arrivals, probes: list[tuple[float, int | None, float]], recovery: float | None
) -> list[str]:
    found = []
    if flood.failures:
        found.append(f"{flood.failures} requests without an answer")
    strange = {str(status) for status in flood.latencies} - _EXPECTED
    if strange:
        found.append(f"answers with status {', '.join(sorted(strange))}")
    bad = Counter(status for _, status, _ in probes if status != 200)
    if bad:
        found.append(f"health and metrics answered {dict(bad)}")
    if recovery is None:
        found.append("no recovery")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
