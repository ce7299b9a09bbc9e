"""Good and bad requests of every kind for minutes: what leaks, fails, hangs or slows down.

    python -m benchmarks.soak [FOLDER] [--seconds 600]

Two clients a core send one request after another: pictures in every format and size, batches,
evidence, the Open Inference Protocol, broken files, wrong types, bombs. Two more send slowly, stop
in mid-body, go away there or while they wait, or announce too much. Meanwhile the service is
watched: memory, open files, threads, requests in flight and waiting. The report is ``soak.json``,
the plot ``soak.svg``.

Fails when something leaks, is not answered, is answered with a 5xx, or is answered otherwise than
it must be; times are told.
"""

import argparse
import http.client
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import NATIVE, images_of, made_images
from benchmarks.process_usage import ProcessUsage
from benchmarks.report import RESULTS, ROOT, write_report
from benchmarks.running import Service, answers, health, running_service, scrape
from benchmarks.soak_report import Exchange, Sample, draw, growth, outcomes, periods, unexpected
from benchmarks.soak_traffic import SHED, Client, Kind, quick_kinds, slow_kinds
from service.runtime.cpus import busy_threads, usable_cores

IMAGES = ROOT / "docs" / "images"
_IMAGES = 40
_CLIENTS_A_CORE = 2
_SLOW_CLIENTS = 2
_MOST_BODY_SECONDS = 10.0
# uploads leave holes in the heap, which is no leak as long as it stays below this
_MOST_GROWN_MEGABYTES = 64
_SETTLING_SECONDS = 90
_NO_ANSWER = "no answer"


def main(arguments: list[str] | None = None) -> int:
    """Soak, write ``soak.json`` and draw ``soak.svg``; fails when there is a fault."""
    parser = argparse.ArgumentParser(description="Send everything for minutes.")
    parser.add_argument("folder", type=Path, nargs="?", default=NATIVE, help="of JPEG files")
    parser.add_argument("--made", action="store_true", help="use made images, no folder")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--model", type=Path, help="by default the shipped one")
    parser.add_argument("--plots", type=Path, default=IMAGES, help="the plot's folder")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    options = parser.parse_args(arguments)
    images = made_images() if options.made else images_of(options.folder, _IMAGES)
    body_seconds = min(_MOST_BODY_SECONDS, options.seconds / 4)
    settings = {"PNEUMONIA_BODY_SECONDS": str(body_seconds)}
    with running_service(options.model, settings) as service:
        figures, samples = soak(service, images, options.seconds, body_seconds / 5)
    options.plots.mkdir(parents=True, exist_ok=True)
    draw(figures["periods"], samples, options.plots / "soak.svg")
    for name, value in figures.items():
        print(f"{name}: {value}")
    print(f"wrote {write_report('soak', figures, options.out)}")
    return 1 if figures["faults"] else 0


def soak(
    service: Service, images: Sequence[bytes], seconds: float, slow_seconds: float
) -> tuple[dict[str, Any], list[Sample]]:
    """Soak a service; the report's figures, and what was seen meanwhile.

    Args:
        service: that was just started.
        images: JPEG files.
        seconds: how long.
        slow_seconds: how long a slow body takes.
    """
    quick, slow = quick_kinds(images), slow_kinds(images)
    mixes = [quick] * (_CLIENTS_A_CORE * usable_cores()) + [slow] * _SLOW_CLIENTS
    model = next(
        sample.labels["name"]
        for sample in scrape(service.port)
        if sample.name == "pneumonia_model_info"
    )
    before, begun = ProcessUsage.of(service.pid), time.monotonic()
    exchanges: list[Exchange] = []
    samples: list[Sample] = []
    threads = [
        threading.Thread(
            target=_send,
            args=(
                Client(service.port, model, slow_seconds),
                mix,
                number,
                begun,
                seconds,
                exchanges,
            ),
        )
        for number, mix in enumerate(mixes)
    ]
    for thread in threads:
        thread.start()
    while (left := begun + seconds - time.monotonic()) > 0:
        samples.append(_sample(service, begun))
        time.sleep(min(left, max(0.2, seconds / 600)))
    for thread in threads:
        thread.join()
    last = _settle(service, before, begun)
    after = ProcessUsage.of(service.pid)
    kinds = {kind.name: kind for kind in (*quick, *slow)}
    grown = growth([sample.megabytes for sample in samples])
    faults = unexpected(exchanges, kinds)
    faults += after.kept_since(before, float("inf"), busy_threads())
    if grown > _MOST_GROWN_MEGABYTES:
        faults.append(f"memory grew by {grown:.0f} MB from the second quarter to the last")
    if last.in_flight or last.queued:
        faults.append(f"{last.in_flight} requests and {last.queued} jobs that nobody asked for")
    if health(service.port) != 200:
        faults.append("it is not ready any more")
    faults += [
        f"{count} answers with status {status} by the service's own count"
        for status, count in answers(service.port).items()
        if status.startswith("5")
    ]
    return {
        "seconds": seconds,
        "clients": len(mixes),
        "requests": len(exchanges),
        "outcomes": outcomes(exchanges),
        "shed": sum(exchange.outcome in SHED for exchange in exchanges),
        "periods": periods(exchanges, samples, seconds),
        "held_before": before.figures(),
        "held_after": after.figures(),
        "grown_megabytes": round(grown, 1),
        "faults": faults,
    }, samples


def _send(
    client: Client,
    kinds: Sequence[Kind],
    number: int,
    begun: float,
    seconds: float,
    exchanges: list[Exchange],
) -> None:
    """One client's requests, drawn by weight, until the time is over."""
    rng = random.Random(number)
    weights = [kind.weight for kind in kinds]
    sent = rng.randrange(1000)
    while (at := time.monotonic() - begun) < seconds:
        (kind,) = rng.choices(kinds, weights)
        sent += 1
        try:
            outcome = client.send(kind, kind.payload.bodies[sent % len(kind.payload.bodies)])
        except (OSError, http.client.HTTPException) as error:
            outcome = f"{_NO_ANSWER}: {type(error).__name__}"
        exchanges.append(Exchange(at, kind.name, outcome, time.monotonic() - begun - at))
    client.close()


def _sample(service: Service, begun: float) -> Sample:
    held = ProcessUsage.of(service.pid)
    found = {sample.name: sample.value for sample in scrape(service.port)}
    return Sample(
        time.monotonic() - begun,
        held.megabytes,
        held.files,
        held.threads,
        int(found["pneumonia_requests_in_flight"]) - 1,  # but for the one that asks
        int(found["pneumonia_queued_jobs"]),
    )


def _settle(service: Service, before: ProcessUsage, begun: float) -> Sample:
    """Wait for what is still under way; how things are then, or when patience is over."""
    end = time.monotonic() + _SETTLING_SECONDS
    while True:
        last = _sample(service, begun)
        held = ProcessUsage.of(service.pid)
        quiet = not (last.in_flight or last.queued)
        if quiet and not held.kept_since(before, float("inf"), busy_threads()):
            return last
        if time.monotonic() > end:
            return last
        time.sleep(0.5)


if __name__ == "__main__":
    raise SystemExit(main())
