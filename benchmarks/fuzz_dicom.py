"""Mutated DICOM files against the decoder: nothing but an answer or a named refusal may come out.

    python -m benchmarks.fuzz_dicom [--inputs 20000] [--seed 0]

The seeds are the real files of pydicom and pydicom-data that show one grey frame, each turned into
a chest radiograph by its header so that its pixels are really decoded, and one picture compressed
as JPEG, of which there is no real file. Inputs are decoded in a process of their own, so that a
crash, a hang, memory and whatever a codec prints are seen; each is made from its number alone.
"""

import argparse
import multiprocessing
import os
import random
import re
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pydicom
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from benchmarks.dicom_files import as_radiograph, real_file, real_files
from benchmarks.memory import resident_megabytes
from benchmarks.report import RESULTS, write_report
from service.errors import PneumoniaError
from service.imaging.dicom import decode_dicom
from service.imaging.radiograph import Limits

MOST_CPU_SECONDS = 10.0
MOST_MEGABYTES = 1024
# wall-clock time after which an input counts as a hang, also on a busy machine
HANG_SECONDS = 120.0
_AT_LEAST = 448  # the service's own request for a smaller picture
_LARGE_SEED = 1 << 20
_LARGE_SEED_SHARE = 0.03
_EXPLICIT_HEADER = re.compile(rb"[A-Z]{2}[\0-\x40][\0-\x02]")
_INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)


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
        print(f"input {number}: {what}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Fuzz and write ``fuzz_dicom.json``; fails when there is a find."""
    parser = argparse.ArgumentParser(description="Fuzz the DICOM decoder.")
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    parser.add_argument("--save", type=int, help="only write this input to fuzz-NUMBER.dcm")
    options = parser.parse_args(arguments)
    if options.save is not None:
        path = Path(f"fuzz-{options.save}.dcm")
        path.write_bytes(mutated(options.save, readable_files()))
        print(f"wrote {path}")
        return 0
    with tempfile.NamedTemporaryFile() as printed:
        tally = fuzz(options.seed, options.seed + options.inputs, Path(printed.name))
        printed_bytes = len(printed.read())
    figures = {
        "inputs": options.inputs,
        "first": options.seed,
        "seed_files": len(readable_files()),
        "outcomes": dict(tally.outcomes.most_common()),
        "slowest_input": tally.slowest[1],
        "slowest_cpu_seconds": round(tally.slowest[0], 2),
        "peak_megabytes": tally.peak_megabytes,
        "printed_bytes": printed_bytes,
        "finds": tally.finds,
    }
    print(*(f"{name}: {value}" for name, value in figures.items()), sep="\n")
    print(f"wrote {write_report('fuzz_dicom', figures, options.out)}")
    return 1 if tally.finds or printed_bytes else 0


def fuzz(first: int, end: int, printed: Path) -> Tally:
    """Decode inputs ``first`` .. ``end`` - 1, in a new process after each crash or hang.

    Args:
        first: number of the first input.
        end: number after the last one.
        printed: a file that takes what the process writes to its error output.
    """
    tally = Tally()
    context = multiprocessing.get_context("spawn")
    while first < end:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(sender, first, end, printed))
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
    return tally


def _results(receiver: Connection) -> Iterator[Result]:
    while receiver.poll(HANG_SECONDS):
        try:
            yield Result(*receiver.recv())
        except EOFError:
            return


def _work(sender: Connection, first: int, end: int, printed: Path) -> None:
    os.dup2(os.open(printed, os.O_WRONLY | os.O_APPEND), sys.stderr.fileno())
    warnings.simplefilter("error")
    seeds = readable_files()
    for number in range(first, end):
        data = mutated(number, seeds)
        begun = time.process_time()
        outcome = _outcome(data)
        seconds = time.process_time() - begun
        # not ru_maxrss, which begins with what the process that started this one once took
        peak = round(resident_megabytes(os.getpid())[1])
        sender.send((number, outcome, seconds, peak))


def _outcome(data: bytes) -> str:
    try:
        decode_dicom(data, Limits(), _AT_LEAST)
    except PneumoniaError as error:
        return error.code
    except Exception as error:  # noqa: BLE001 - anything else is what is looked for
        return f"escaped: {type(error).__name__}"
    return "read"


def readable_files() -> list[bytes]:
    """The seeds: every real file that is read once it claims to be a chest radiograph."""
    files = (as_radiograph(path.read_bytes()) for path in real_files().values())
    return [data for data in (*files, _as_jpeg(real_file("image_dfl.dcm"))) if _read(data)]


def _read(data: bytes) -> bool:
    return _outcome(data) == "read"


def _as_jpeg(data: bytes) -> bytes:
    """The same picture as JPEG baseline."""
    dataset = pydicom.dcmread(BytesIO(data))
    stream = BytesIO()
    Image.fromarray(dataset.pixel_array).save(stream, "JPEG")
    dataset.Modality = "CR"
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    stream = BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def mutated(number: int, seeds: list[bytes]) -> bytes:
    """Input ``number``: a seed file after one to three mutations."""
    rng = random.Random(number)
    large = [seed for seed in seeds if len(seed) > _LARGE_SEED]
    small = [seed for seed in seeds if len(seed) <= _LARGE_SEED]
    seed = rng.choice(large if large and rng.random() < _LARGE_SEED_SHARE else small)
    data = bytearray(seed)
    for _ in range(rng.randint(1, 3)):
        if data:
            rng.choice((_flip, _overwrite, _truncate, _relength, _splice, _delete))(
                data, rng, small
            )
    return bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    """Somewhere: in the header, in the first of the pixel data where codecs look, or anywhere."""
    pixels = max(data.find(b"\xe0\x7f\x10\0"), 0)
    start = (pixels, pixels + 700)
    low, high = rng.choice(((0, pixels), start, start, (0, len(data))))
    return min(rng.randrange(low, max(high, low + 1)), len(data) - 1)


def _flip(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    for _flip_number in range(rng.choice((1, 1, 2, 8, 64))):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    place = _place(data, rng)
    for offset in range(rng.choice((1, 2, 4))):
        data[min(place + offset, len(data) - 1)] = rng.choice(_INTERESTING)


def _truncate(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    del data[_place(data, rng) :]


def _relength(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    """Change an element's length, or what its value representation makes of it."""
    headers = list(_EXPLICIT_HEADER.finditer(data, 0, 10_000))
    if headers:
        place = rng.choice(headers).start() + rng.choice((0, 2, 2, 4))
        data[place : place + 2] = struct.pack("<H", rng.choice((0, 1, 3, 0xFFFE, 0xFFFF)))


def _splice(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    other = rng.choice(others)
    begin = rng.randrange(len(other))
    place = _place(data, rng)
    data[place:place] = other[begin : begin + rng.randint(1, 600)]


def _delete(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    place = _place(data, rng)
    del data[place : place + rng.randint(1, 300)]


if __name__ == "__main__":
    raise SystemExit(main())
