"""Mutated files against the decoders: nothing but an answer or a named refusal may come out.

Inputs are decoded in a process of their own, so that a crash, a hang, memory and whatever a codec
prints are seen; each is made from its number alone. `benchmarks.fuzz` is the command.
"""

import multiprocessing
import os
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.memory import resident_megabytes
from service.errors import PneumoniaError
from service.imaging.decode import decode
from service.imaging.dicom_pool import DicomPool
from service.imaging.preprocess import to_model_input
from service.imaging.radiograph import Limits

MOST_CPU_SECONDS = 10.0
MOST_MEGABYTES = 1024
# wall-clock time after which an input counts as a hang, also on a busy machine
HANG_SECONDS = 120.0
_SHOWN_FINDS = 20
_SIDE = 224
_AT_LEAST = 2 * _SIDE  # the service's own request for a smaller picture
_LARGE_SEED = 1 << 20
_LARGE_SEED_SHARE = 0.03


@dataclass(frozen=True)
class Target:
    """A file format; its functions must be found by name in a new process.

    Attributes:
        name: of the format.
        seeds: makes the files to start from, all of which are read.
        mutate: changes a file in one place; the last argument are other seeds.
        mend: repairs checksums, so that the decoder looks further.
        prints: how many bytes an input may print; libtiff says in fixed words what is broken.
    """

    name: str
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytearray, random.Random, list[bytes]], None]
    mend: Callable[[bytearray], None] | None = None
    prints: int = 0

    def input(self, number: int, seeds: list[bytes]) -> bytes:
        """Input ``number``: a seed after one to three mutations, half of them mended."""
        rng = random.Random(number)
        large = [seed for seed in seeds if len(seed) > _LARGE_SEED]
        small = [seed for seed in seeds if len(seed) <= _LARGE_SEED]
        data = bytearray(rng.choice(large if large and rng.random() < _LARGE_SEED_SHARE else small))
        for _ in range(rng.randint(1, 3)):
            if data:
                self.mutate(data, rng, small)
        if self.mend is not None and rng.random() < 0.5:
            self.mend(data)
        return bytes(data)


class Result(NamedTuple):
    """What became of one input."""

    number: int
    outcome: str
    cpu_seconds: float
    peak_megabytes: int


@dataclass
class Tally:
    """What became of all inputs so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    finds: list[dict[str, Any]] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    peak_megabytes: int = 0
    printed_bytes: int = 0

    def add(self, result: Result) -> None:
        """Count a result; whatever breaks a bound or is no named refusal is a find."""
        self.outcomes[result.outcome] += 1
        self.slowest = max(self.slowest, (result.cpu_seconds, result.number))
        if result.outcome.startswith("escaped"):
            self.find(result.number, result.outcome)
        if result.cpu_seconds > MOST_CPU_SECONDS:
            self.find(result.number, f"took {result.cpu_seconds:.0f} s")
        if self.peak_megabytes <= MOST_MEGABYTES < result.peak_megabytes:
            self.find(result.number, f"took {result.peak_megabytes} MB")
        self.peak_megabytes = max(self.peak_megabytes, result.peak_megabytes)

    def find(self, number: int, what: str) -> None:
        """Note an input that must become a test."""
        self.finds.append({"input": number, "what": what})
        if len(self.finds) <= _SHOWN_FINDS:
            print(f"input {number}: {what}", flush=True)

    def figures(self) -> dict[str, Any]:
        """As a part of a report."""
        return {
            "inputs": self.outcomes.total(),
            "outcomes": dict(self.outcomes.most_common()),
            "slowest_input": self.slowest[1],
            "slowest_cpu_seconds": round(self.slowest[0], 2),
            "peak_megabytes": self.peak_megabytes,
            "printed_bytes": self.printed_bytes,
            "finds": self.finds,
        }


def fuzz(target: Target, first: int, end: int, printed: Path) -> Tally:
    """Decode inputs ``first`` .. ``end`` - 1, in a new process after each crash or hang.

    Args:
        target: the format.
        first: number of the first input.
        end: number after the last one.
        printed: an empty file that takes what the process writes to its error output.
    """
    tally = Tally()
    context = multiprocessing.get_context("spawn")
    while first < end:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(target, sender, first, end, printed))
        process.start()
        sender.close()
        for result in _results(receiver):
            tally.add(result)
            first = result.number + 1
        if first < end:
            hung = process.is_alive()
            process.kill()
            process.join()
            tally.outcomes["hang" if hung else "crash"] += 1
            tally.find(first, "hangs" if hung else f"crashes ({process.exitcode})")
            first += 1
        process.join()
    tally.printed_bytes = printed.stat().st_size
    if tally.printed_bytes > target.prints * tally.outcomes.total():
        tally.find(first, f"printed {printed.read_text(errors='replace')[:200]!r}")
    return tally


def outcome_of(data: bytes, pool: DicomPool | None = None) -> str:
    """``read``, the code of a refusal, or what escaped."""
    try:
        radiograph = decode(data, Limits(), _AT_LEAST, pool)
        to_model_input(radiograph.image, _SIDE, _SIDE, "bilinear")
    except PneumoniaError as error:
        return error.code
    except Exception as error:  # noqa: BLE001 - anything else is what is looked for
        return f"escaped: {type(error).__name__}"
    return "read"


def _results(receiver: Connection) -> Iterator[Result]:
    while receiver.poll(HANG_SECONDS):
        try:
            yield Result(*receiver.recv())
        except EOFError:
            return


def _work(target: Target, sender: Connection, first: int, end: int, printed: Path) -> None:
    os.dup2(os.open(printed, os.O_WRONLY | os.O_APPEND), sys.stderr.fileno())
    warnings.simplefilter("error")
    # it warns of much that is odd, and then reads or refuses it; the service logs no warning
    warnings.filterwarnings("ignore", module="PIL")
    seeds, pool = target.seeds(), DicomPool()
    for number in range(first, end):
        data = target.input(number, seeds)
        begun = time.process_time()
        outcome = outcome_of(data, pool)
        seconds = time.process_time() - begun
        # not ru_maxrss, which begins with what the process that started this one once took
        peak = round(resident_megabytes(os.getpid())[1])
        sender.send((number, outcome, seconds, peak))
