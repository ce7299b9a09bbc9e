"""Good and bad requests of every kind for minutes: what leaks, fails, hangs or slows down.

Two clients a core send one request after another: images in every format and size, batches,
evidence, the Open Inference Protocol, broken files, wrong types, bombs. Two more send slowly, stop
in mid-body, go away there or while they wait, or announce too much. Meanwhile the service is
watched: memory, open files, threads, requests in flight and waiting.

A fault is what leaks, is not answered, or is answered otherwise than it must be; times are told.
"""

import http.client
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from benchmarks.open_loop import percentile
from benchmarks.options import Options
from benchmarks.soak_traffic import SHED, Client, Kind, quick_kinds, slow_kinds
from benchmarks.usage import Usage, answers, scrape
from service.runtime.cpus import busy_threads, usable_cores
from tests.process import ServiceProcess, health

PERIODS = 10
_IMAGES = 40
_CLIENTS_A_CORE = 2
_SLOW_CLIENTS = 2
_MOST_BODY_SECONDS = 10.0
# uploads leave holes in the heap, which is no leak as long as it stays below this
_MOST_GROWN_MEGABYTES = 64
_SETTLING_SECONDS = 90


class Exchange(NamedTuple):
    """One request: when it began, seconds from the start, and what became of it."""

    at: float
    kind: str
    outcome: str
    seconds: float


class Sample(NamedTuple):
    """What the service held and did at one moment."""

    at: float
    megabytes: float
    files: int
    threads: int
    in_flight: int
    queued: int


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``soak.json``."""
    seconds = options.seconds or 600
    body_seconds = min(_MOST_BODY_SECONDS, seconds / 4)
    images = options.images[:: max(1, len(options.images) // _IMAGES)]
    quick, slow = quick_kinds(images), slow_kinds(images)
    mixes = [quick] * (_CLIENTS_A_CORE * usable_cores()) + [slow] * _SLOW_CLIENTS
    samples: list[Sample] = []
    with options.service(body_seconds=body_seconds) as service:
        before, asked, begun = Usage.of(service.pid), answers(service), time.monotonic()
        with ThreadPoolExecutor(len(mixes)) as pool:
            clients = [
                pool.submit(_send, Client(service, body_seconds / 5), mix, number, begun, seconds)
                for number, mix in enumerate(mixes)
            ]
            while (left := begun + seconds - time.monotonic()) > 0:
                samples.append(_sample(service, begun))
                time.sleep(min(left, max(0.2, seconds / 600)))
            exchanges = [exchange for client in clients for exchange in client.result()]
        faults, after = _left_over(service, before, asked)
    kinds = {kind.name: kind for kind in (*quick, *slow)}
    faults += unexpected(exchanges, kinds)
    quarter = max(1, len(samples) // 4)
    # the first quarter fills caches and the heap
    second, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    grown = statistics.median(sample.megabytes for sample in last)
    grown -= statistics.median(sample.megabytes for sample in second)
    if grown > _MOST_GROWN_MEGABYTES:
        faults.append(f"memory grew by {grown:.0f} MB from the second quarter to the last")
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for exchange in exchanges:
        outcomes[exchange.kind][exchange.outcome] += 1
    periods = [_period(number, exchanges, samples, seconds) for number in range(PERIODS)]
    return {
        "seconds": seconds,
        "clients": len(mixes),
        "requests": len(exchanges),
        "outcomes": {kind: dict(outcomes[kind].most_common()) for kind in sorted(outcomes)},
        "shed": sum(exchange.outcome in SHED for exchange in exchanges),
        "periods": periods,
        "held_before": before.figures(),
        "held_after": after.figures(),
        "grown_megabytes": round(grown, 1),
        "faults": faults,
    }


def unexpected(exchanges: Sequence[Exchange], kinds: dict[str, Kind]) -> list[str]:
    """What was answered otherwise than it must be, or not at all."""
    strange = Counter(
        (exchange.kind, exchange.outcome)
        for exchange in exchanges
        if exchange.outcome not in kinds[exchange.kind].expected | SHED
    )
    return [f"{kind}: {outcome}, {count} times" for (kind, outcome), count in strange.items()]


def _send(
    client: Client, kinds: Sequence[Kind], number: int, begun: float, seconds: float
) -> list[Exchange]:
    """One client's requests, drawn by weight, until the time is over."""
    rng, exchanges = random.Random(number), []
    weights = [kind.weight for kind in kinds]
    while (at := time.monotonic() - begun) < seconds:
        (kind,) = rng.choices(kinds, weights)
        try:
            outcome = client.send(kind, rng.choice(kind.payload.bodies))
        except (OSError, http.client.HTTPException) as error:
            outcome = f"no answer: {type(error).__name__}"
        exchanges.append(Exchange(at, kind.name, outcome, time.monotonic() - begun - at))
    client.close()
    return exchanges


def _sample(service: ServiceProcess, begun: float) -> Sample:
    held = Usage.of(service.pid)
    found = {sample.name: sample.value for sample in scrape(service)}
    return Sample(
        time.monotonic() - begun,
        held.megabytes,
        held.files,
        held.threads,
        int(found["pneumonia_requests_in_flight"]) - 1,  # but for the one that asks
        int(found["pneumonia_queued_jobs"]),
    )


def _left_over(
    service: ServiceProcess, before: Usage, asked: Counter[str]
) -> tuple[list[str], Usage]:
    """What is wrong when everything should have come to rest, and what is held then."""
    end = time.monotonic() + _SETTLING_SECONDS
    while True:
        last, after = _sample(service, 0), Usage.of(service.pid)
        faults = after.kept_since(before, float("inf"), busy_threads())
        if last.in_flight or last.queued:
            faults.append(f"{last.in_flight} requests and {last.queued} jobs that nobody asked for")
        if not faults or time.monotonic() > end:
            break
        time.sleep(0.5)
    if health(service.port) != 200:
        faults.append("it is not ready any more")
    faults += [
        f"{count} answers with status {status} by the service's own count"
        for status, count in (answers(service) - asked).items()
        if status.startswith("5")
    ]
    return faults, after


def _period(
    number: int, exchanges: Sequence[Exchange], samples: Sequence[Sample], seconds: float
) -> dict[str, Any]:
    """A tenth of the time: latency of the commonest kind of request, the largest of all else."""
    begin, end = number * seconds / PERIODS, (number + 1) * seconds / PERIODS
    there = [exchange for exchange in exchanges if begin <= exchange.at < end]
    held = [sample for sample in samples if begin <= sample.at < end]
    took = sorted(
        exchange.seconds
        for exchange in there
        if exchange.kind == "JPEG" and exchange.outcome not in SHED
    )
    return {
        "requests": len(there),
        "p50_ms": round(1e3 * percentile(took, 50)) if took else None,
        "p99_ms": round(1e3 * percentile(took, 99)) if took else None,
        **{
            name: max((getattr(sample, name) for sample in held), default=None)
            for name in Sample._fields[1:]
        },
    }
