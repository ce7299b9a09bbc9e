"""What the machine can do without HTTP: decode, preprocess, model and decision, on N threads."""

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.open_loop import percentile
from service.errors import NotAChestXray
from service.inference.predictor import Predictor


@dataclass(frozen=True)
class Ceiling:
    """What the threads got done.

    Attributes:
        rate: images a second, all threads together.
        cpu_seconds: of this process, while they worked.
        judged: images.
        p50_ms: median time of one image.
        mean_ms: its mean.
    """

    rate: float
    cpu_seconds: float
    judged: int
    p50_ms: float
    mean_ms: float


def ceiling(predictor: Predictor, images: Sequence[bytes], threads: int, seconds: float) -> Ceiling:
    """Judge the images in turn on each thread, for so many seconds."""
    start, cpu = time.perf_counter(), time.process_time()
    turns = itertools.cycle(images)  # next() of it is one step under the interpreter's lock

    def work() -> list[float]:
        times = []
        begun = time.perf_counter()
        while begun - start < seconds:
            with suppress(NotAChestXray):  # found by the model, after all the work
                predictor.predict(next(turns))
            ended = time.perf_counter()
            times.append(ended - begun)
            begun = ended
        return times

    with ThreadPoolExecutor(threads) as pool:
        workers = [pool.submit(work) for _ in range(threads)]
        times = sorted(value for worker in workers for value in worker.result())
    wall = time.perf_counter() - start
    return Ceiling(
        rate=len(times) / wall,
        cpu_seconds=time.process_time() - cpu,
        judged=len(times),
        p50_ms=percentile(times, 50) * 1e3,
        mean_ms=sum(times) / len(times) * 1e3,
    )
