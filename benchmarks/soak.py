"""Good and bad requests of every kind for minutes: what leaks, fails, hangs or slows down.

Two clients a core send one request after another: images in every format and size, batches,
evidence, the Open Inference Protocol, broken files, wrong types, bombs. Two more send slowly, stop
in mid-body, go away there or while they wait, or announce too much. Meanwhile the service is
watched: memory, open files, threads, requests in flight and waiting.

A fault is what leaks, is not answered, or is answered otherwise than it must be; times are told.
"""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from benchmarks.load import percentile
from benchmarks.options import Options
from benchmarks.traffic import SHED, Exchange, quick_kinds, send_mixed, slow_kinds, unexpected
from benchmarks.usage import Usage, answers
from service.runtime.cpus import busy_threads, usable_cores
from tests.process import ServiceProcess, status_of

PERIODS = 10
_CLIENTS_A_CORE = 2
_SLOW_CLIENTS = 2
_MOST_BODY_SECONDS = 10.0
# uploads leave holes in the heap, which is no leak as long as it stays below this
_MOST_GROWN_MEGABYTES = 64
_LONG_SECONDS = 60  # a shorter soak does little but fill caches
_SETTLING_SECONDS = 90


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``soak.json``."""
    seconds = options.seconds or 600
    body_seconds = min(_MOST_BODY_SECONDS, seconds / 4)
    images = options.few_images
    mixes = [quick_kinds(images)] * (_CLIENTS_A_CORE * usable_cores())
    mixes += [slow_kinds(images)] * _SLOW_CLIENTS
    samples: list[tuple[float, Usage]] = []
    with options.service(body_seconds=body_seconds) as service:
        before, asked, begun = Usage.of(service), answers(service), time.monotonic()

        def more(_: int) -> bool:
            return time.monotonic() < begun + seconds

        with ThreadPoolExecutor(len(mixes)) as pool:
            clients = [
                pool.submit(send_mixed, service, mix, number, more, body_seconds / 5)
                for number, mix in enumerate(mixes)
            ]
            while wait(clients, max(0.2, seconds / 600)).not_done:
                samples.append((time.monotonic(), Usage.of(service)))
            exchanges = [exchange for client in clients for exchange in client.result()]
        faults = unexpected(exchanges) + _left_over(service, before, asked)
    quarter = max(1, len(samples) // 4)
    # the first quarter fills caches and the heap
    second, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    grown = statistics.median(held.megabytes for _, held in last)
    grown -= statistics.median(held.megabytes for _, held in second)
    if grown > _MOST_GROWN_MEGABYTES and seconds >= _LONG_SECONDS:
        faults.append(f"memory grew by {grown:.0f} MB from the second quarter to the last")
    outcomes: dict[str, Counter[str]] = {}
    for exchange in exchanges:
        outcomes.setdefault(exchange.kind.name, Counter())[exchange.outcome] += 1
    ends = [begun + number * seconds / PERIODS for number in range(PERIODS + 1)]
    return {
        "seconds": seconds,
        "clients": len(mixes),
        "requests": len(exchanges),
        "outcomes": outcomes,
        "shed": sum(exchange.outcome in SHED for exchange in exchanges),
        "periods": [
            _period(
                [exchange for exchange in exchanges if begin <= exchange.at < end],
                [held for at, held in samples if begin <= at < end],
            )
            for begin, end in pairwise(ends)
        ],
        "grown_megabytes": round(grown, 1),
        "faults": faults,
    }


def _left_over(service: ServiceProcess, before: Usage, asked: Counter[str]) -> list[str]:
    """What is wrong when everything should have come to rest."""
    end = time.monotonic() + _SETTLING_SECONDS
    while faults := Usage.of(service).kept_since(before, float("inf"), busy_threads()):
        if time.monotonic() > end:
            break
        time.sleep(0.5)
    if status_of(service.port, "/health") != 200:
        faults.append("it is not ready any more")
    return faults + [
        f"{count} answers with status {status} by the service's own count"
        for status, count in (answers(service) - asked).items()
        if status.startswith("5")
    ]


def _period(exchanges: Sequence[Exchange], held: Sequence[Usage]) -> dict[str, Any]:
    """Some of the time: latency of the commonest kind of request, the largest of all else."""
    took = [
        exchange.seconds
        for exchange in exchanges
        if exchange.kind.name == "JPEG" and exchange.outcome not in SHED
    ]
    rows = [asdict(usage) for usage in held]
    return {
        "requests": len(exchanges),
        "p50_ms": round(1e3 * percentile(took, 50)) if took else None,
        "p99_ms": round(1e3 * percentile(took, 99)) if took else None,
        **{name: max(row[name] for row in rows) for name in (rows[0] if rows else ())},
    }
