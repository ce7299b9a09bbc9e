"""How much of the machine reaches predictions: HTTP against the same work without HTTP.

Rounds of a few seconds take turns (no HTTP, raw bodies, forms, one image, one client), so that a
machine that drifts drifts for all of them, and the ratios are taken within a round. The client runs
on the same cores as the service; what it uses of them is measured and told. Then come arrivals at
80 % of capacity, and the stages of one client's requests.
"""

import itertools
import statistics
from collections.abc import Sequence
from contextlib import suppress
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


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``speed.json``."""
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
