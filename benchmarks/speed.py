"""How much of the machine reaches predictions: HTTP against the same work without HTTP.

Rounds of a few seconds take turns (no HTTP, raw bodies, forms, one image, one client), so that a
machine that drifts drifts for all of them, and the ratios are taken within a round. The client runs
on the same cores as the service; what it uses of them is measured and told. Then come arrivals at
80 % of capacity, and where the service's time goes, sampled by py-spy, also as ``flames.svg``.
"""

import itertools
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.load import CLIENTS_A_CORE, Load, Payload, form, raw, repeat, wrk
from benchmarks.open_loop import arrive
from benchmarks.options import Options
from benchmarks.usage import cpu_seconds, stage_milliseconds
from service.errors import NotAChestXray
from service.inference.model import OnnxModel
from service.inference.predictor import Predictor
from service.runtime.cpus import usable_cores
from tests.process import ServiceProcess

_PART_OF_CAPACITY = 0.8
_SAMPLES_A_SECOND = "200"


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``speed.json``; writes the flame graph beside it."""
    seconds, images = options.seconds or 8, options.images
    predictor = Predictor(OnnxModel(options.model))
    clients = CLIENTS_A_CORE * usable_cores()
    ceiling(predictor, images, usable_cores(), 1)  # warm
    rounds = []
    with options.service() as service:
        _sent(service, raw(images), clients, 1)
        for _ in range(options.count or 5):
            rounds.append(_round(predictor, service, images, clients, seconds))
            print(rounds[-1])
        rate = _PART_OF_CAPACITY * statistics.median(entry["raw_rate"] for entry in rounds)
        at_rate = arrive(service.port, "/predict", raw(images), rate, 3 * seconds).load()
        shares = _sampled(service, images, clients, seconds, options.out / "flames.svg")
    with options.service() as service:
        alone = wrk(service.port, "/predict", raw(images), 1, seconds).check()
        stages = _stages(stage_milliseconds(service), alone.mean_ms)
    return {
        "images": options.shown,
        "count": len(images),
        "mean_kilobytes": round(sum(map(len, images)) / len(images) / 1e3),
        "clients": clients,
        "seconds": seconds,
        "rounds": rounds,
        "stages_ms": stages,
        "at_80_percent": {
            "rate": round(rate, 1),
            "statuses": at_rate.statuses,
            "failures": at_rate.failures,
            "p50_ms": round(at_rate.p50_ms, 2),
            "p99_ms": round(at_rate.p99_ms, 2),
            "p99_to_p50": round(at_rate.p99_ms / at_rate.p50_ms, 2),
        },
        "sampled_shares": shares,
    }


def ceiling(predictor: Predictor, images: Sequence[bytes], threads: int, seconds: float) -> Load:
    """Decode, preprocess, predict and decide, the images in turn on each thread, for so long."""
    turns = itertools.cycle(images)  # next() of it is one step under the interpreter's lock

    def step() -> None:
        with suppress(NotAChestXray):  # found by the model, after all the work
            predictor.predict(next(turns))

    return repeat(step, threads, seconds)


def _round(
    predictor: Predictor,
    service: ServiceProcess,
    images: Sequence[bytes],
    clients: int,
    seconds: float,
) -> dict[str, float]:
    """One turn of everything, in images a second, milliseconds and seconds of CPU time."""
    inside = ceiling(predictor, images, usable_cores(), seconds)
    outside, outside_cpu = _sent(service, raw(images), clients, seconds)
    forms, forms_cpu = _sent(service, form(images), clients, seconds)
    one = ceiling(predictor, images, 1, seconds / 2)
    alone = wrk(service.port, "/predict", raw(images), 1, seconds / 2).check()
    per_cpu = inside.predicted / inside.client_cpu_seconds
    figures = {
        "ceiling_rate": inside.rate,
        "raw_rate": outside.rate,
        "form_rate": forms.rate,
        "raw_to_ceiling": outside.rate / inside.rate,
        "form_to_ceiling": forms.rate / inside.rate,
        # images a second of CPU time: the same without what the client used
        "raw_to_ceiling_a_cpu_second": outside.predicted / outside_cpu / per_cpu,
        "form_to_ceiling_a_cpu_second": forms.predicted / forms_cpu / per_cpu,
        "service_cpu_seconds": outside_cpu,
        "client_cpu_seconds": outside.client_cpu_seconds,
        "one_client_to_one_image": alone.p50_ms / one.p50_ms,
    }
    return {name: round(value, 4) for name, value in figures.items()}


def _sent(
    service: ServiceProcess, payload: Payload, clients: int, seconds: float
) -> tuple[Load, float]:
    """A load of predictions alone, and the seconds of CPU time the service spent on it."""
    before = cpu_seconds(service.pid)
    load = wrk(service.port, "/predict", payload, clients, seconds).check()
    return load, cpu_seconds(service.pid) - before


def _stages(mean: dict[str, float], request: float) -> dict[str, float]:
    """Mean milliseconds of each stage of a request of one client, which add up to the last."""
    stages = {
        "decode and resize": mean["decode"],
        "model": mean["inference"],
        "wait for a worker": mean["queue"],
        "hand over and decide": 2 * mean["total"] - sum(mean.values()),
        "upload, HTTP, answer": request - mean["total"],
        "all, as the client sees it": request,
    }
    return {name: round(value, 3) for name, value in stages.items()}


def _sampled(
    service: ServiceProcess, images: Sequence[bytes], clients: int, seconds: float, flames: Path
) -> dict[str, float]:
    """Where the time of the threads that were not idle goes under load, and the flame graph."""
    flames.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        stacks = Path(folder) / "stacks.txt"
        load = pool.submit(wrk, service.port, "/predict", raw(images), clients, 3 * seconds)
        for kind, file in (("raw", stacks), ("flamegraph", flames)):
            command = [str(Path(sys.executable).with_name("py-spy")), "record", "--format", kind]
            command += ["--pid", str(service.pid), "--rate", _SAMPLES_A_SECOND]
            command += ["--duration", str(max(1, round(seconds))), "--output", str(file)]
            subprocess.run(command, check=True, capture_output=True)
        load.result()
        return shares(stacks.read_text(encoding="utf-8"))


def shares(stacks: str) -> dict[str, float]:
    """Package -> its part of the samples, the largest first.

    A stack belongs to the innermost of its frames that lies in one of our rooms or in a library.

    Args:
        stacks: lines ``frame;frame;... count`` as py-spy writes them, the outermost frame first.
    """
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        # "run (service/http/app.py:12)" is service/http's, "run (uvicorn/server.py:7)" uvicorn's
        if re.search(r"_worker \(concurrent/[^;]*$", frames):
            continue  # it waits for work
        owners = re.findall(r"\((?:\S+/site-packages/)?(service/\w+|\w+)/[^)]*\)", frames)
        samples[owners[-1] if owners else "other"] += int(count)
    return {name: round(count / samples.total(), 4) for name, count in samples.most_common()}
