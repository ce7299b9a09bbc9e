"""How much of the machine reaches predictions: HTTP against the same work without HTTP.

    python -m benchmarks.speed [FOLDER]

Rounds of a few seconds take turns (no HTTP, raw bodies, forms, one image, one client), so that a
machine that drifts drifts for all of them, and the ratios are taken within a round. The client runs
on the same cores as the service; what it uses of them is measured and told. Then come arrivals at
80 % of capacity, and where the service's time goes, sampled by py-spy.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from benchmarks.ceiling import ceiling
from benchmarks.load import NATIVE, Load, Payload, form, images_of, made_images, raw, wrk
from benchmarks.open_loop import arrive
from benchmarks.processes import cpu_seconds
from benchmarks.profile import profile
from benchmarks.report import RESULTS, write_report
from benchmarks.running import Service, running_service, stage_seconds
from service.inference.model import OnnxModel
from service.inference.predictor import Predictor
from service.runtime.cpus import usable_cores
from service.settings import DEFAULT_MODEL

# enough that a worker always finds the next image, and few enough that none is shed
_CLIENTS_A_CORE = 3
_PART_OF_CAPACITY = 0.8


def main() -> int:
    """Measure and write ``speed.json`` and ``flames.svg``."""
    parser = argparse.ArgumentParser(description="Measure what HTTP costs.")
    parser.add_argument("folder", type=Path, nargs="?", default=NATIVE, help="of JPEG files")
    parser.add_argument("--made", action="store_true", help="use made images, no folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8, help="of each part of a round")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    arguments = parser.parse_args()
    images = made_images() if arguments.made else images_of(arguments.folder)
    predictor = Predictor(OnnxModel(arguments.model))
    cores, seconds = usable_cores(), arguments.seconds
    clients = _CLIENTS_A_CORE * cores
    ceiling(predictor, images, cores, 1)  # warm
    rounds = []
    with running_service(arguments.model) as service:
        _sent(service, raw(images), clients, 1)
        for number in range(arguments.rounds):
            rounds.append(_round(predictor, service, images, cores, clients, seconds))
            print(f"round {number + 1} of {arguments.rounds}:", _told(rounds[-1]))
        before = stage_seconds(service.port)
        alone = wrk(service.port, "/predict", raw(images), 1, seconds).check()
        stages = _stages(before, stage_seconds(service.port), alone)
        rate = _PART_OF_CAPACITY * statistics.median(entry["raw_rate"] for entry in rounds)
        at_rate = arrive(service.port, "/predict", raw(images), rate, 3 * seconds).load()
        shares = profile(
            service.pid,
            lambda: wrk(service.port, "/predict", raw(images), clients, 2 * seconds),
            2 * seconds,
            arguments.out / "flames.svg",
        )
    figures: dict[str, Any] = {
        "images": "made" if arguments.made else "original-size chest X-rays",
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
            "p99_to_p50_of_one_client": round(at_rate.p99_ms / alone.p50_ms, 2),
        },
        "sampled_shares": shares,
    }
    print(f"wrote {write_report('speed', figures, arguments.out)}")
    return 0


def _round(
    predictor: Predictor,
    service: Service,
    images: list[bytes],
    cores: int,
    clients: int,
    seconds: int,
) -> dict[str, float]:
    """One turn of everything, in images a second, milliseconds and seconds of processor time."""
    inside = ceiling(predictor, images, cores, seconds)
    outside, outside_cpu = _sent(service, raw(images), clients, seconds)
    forms, forms_cpu = _sent(service, form(images), clients, seconds)
    one = ceiling(predictor, images, 1, seconds / 2)
    alone = wrk(service.port, "/predict", raw(images), 1, seconds / 2).check()
    figures = {
        "ceiling_rate": inside.rate,
        "raw_rate": outside.rate,
        "form_rate": forms.rate,
        "raw_to_ceiling": outside.rate / inside.rate,
        "form_to_ceiling": forms.rate / inside.rate,
        # images a processor-second: the same without what the client used
        "raw_to_ceiling_a_cpu_second": (outside.judged / outside_cpu)
        / (inside.judged / inside.cpu_seconds),
        "form_to_ceiling_a_cpu_second": (forms.judged / forms_cpu)
        / (inside.judged / inside.cpu_seconds),
        "ceiling_cpu_seconds": inside.cpu_seconds,
        "service_cpu_seconds": outside_cpu,
        "client_cpu_seconds": outside.client_cpu_seconds,
        "one_image_p50_ms": one.p50_ms,
        "one_client_p50_ms": alone.p50_ms,
        "one_client_to_one_image": alone.p50_ms / one.p50_ms,
    }
    return {name: round(value, 4) for name, value in figures.items()}


def _sent(service: Service, payload: Payload, clients: int, seconds: float) -> tuple[Load, float]:
    """A load that was all judged, and the processor seconds the service spent on it."""
    before = cpu_seconds(service.pid)
    load = wrk(service.port, "/predict", payload, clients, seconds).check()
    return load, cpu_seconds(service.pid) - before


def _stages(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]], load: Load
) -> dict[str, float]:
    """Mean milliseconds of each stage of a request of one client, which add up to the last."""
    mean = {}
    for stage, (seconds, count) in after.items():
        begun = before.get(stage, (0.0, 0.0))
        mean[stage] = (seconds - begun[0]) / max(1.0, count - begun[1]) * 1e3
    handover = mean["total"] - mean["decode"] - mean["queue"] - mean["inference"]
    stages = {
        "decode and resize": mean["decode"],
        "model": mean["inference"],
        "wait for a worker": mean["queue"],
        "hand over and decide": handover,
        "upload, HTTP, answer": load.mean_ms - mean["total"],
        "all, as the client sees it": load.mean_ms,
    }
    return {name: round(value, 3) for name, value in stages.items()}


def _told(figures: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {figures[name]:.2f}"
        for name in ("ceiling_rate", "raw_to_ceiling", "form_to_ceiling", "one_client_to_one_image")
    )


if __name__ == "__main__":
    raise SystemExit(main())
