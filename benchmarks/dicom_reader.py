"""What reading DICOM costs, on real files, on the largest and on hostile ones.

    python -m benchmarks.dicom_reader

Counted are CPU time and peak memory of the reading process and its workers, beyond what they
have when nothing is read. The report keeps the rows of the reader that was here before pydicom
(``previous``), which can no longer be measured; decision 9 shows both.
"""

import argparse
import multiprocessing
import os
import resource
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypedDict

import numpy as np

from benchmarks.dicom_files import as_radiograph, real_file
from benchmarks.report import RESULTS, read_report, write_report
from service.errors import PneumoniaError
from service.imaging.decode import decode
from service.imaging.dicom_pool import DicomPool
from service.imaging.radiograph import Limits

_MEGABYTE = 2**20
_UNDEFINED = 0xFFFFFFFF
_EXPLICIT = "1.2.840.10008.1.2.1"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_SEQUENCE = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, _UNDEFINED)
_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, _UNDEFINED)
_EMPTY_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
_LARGEST_SIDE = 8000
_ENOUGH_SECONDS = 1.0


class Row(TypedDict):
    """What reading one file came to."""

    file: str
    outcome: str
    cpu_seconds: float
    megabytes: int


def main() -> int:
    """Measure and write ``dicom_reader.json``."""
    parser = argparse.ArgumentParser(description="Measure reading DICOM.")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    options = parser.parse_args()
    rows = [_measured(name, make()) for name, make in _FILES.items()]
    print(*rows, sep="\n")
    report = {"previous": read_report("dicom_reader")["previous"], "rows": rows}
    print(f"wrote {write_report('dicom_reader', report, options.out)}")
    return 0


def reader_block() -> str:
    """Both readers on each file, a table."""
    report = read_report("dicom_reader")
    previous: dict[str, Row] = {row["file"]: row for row in report["previous"]}
    rows: list[Row] = report["rows"]
    head = "| file | own reader, before | pydicom in a worker |\n|---|---|---|\n"
    return head + "\n".join(
        f"| {row['file']} | {_cell(previous[row['file']])} | {_cell(row)} |" for row in rows
    )


def _cell(row: Row) -> str:
    return f"{row['outcome']}, {row['cpu_seconds']:.2g} s, {row['megabytes']} MB"


def _meta(syntax: str) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM\x02\x00\x10\x00UI" + struct.pack("<H", len(value)) + value


def _bomb() -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return b"".join(deflater.compress(bytes(_MEGABYTE)) for _ in range(1024)) + deflater.flush()


def _largest() -> bytes:
    """64 megapixels of 16 bits, in the header of a real radiograph."""
    data = real_file("RG1_UNCR.dcm")
    start = data.index(b"\xe0\x7f\x10\0")
    header = data[:start]
    for tag in (b"\x28\0\x10\0US\x02\0", b"\x28\0\x11\0US\x02\0"):
        at = header.index(tag) + len(tag)
        header = header[:at] + struct.pack("<H", _LARGEST_SIDE) + header[at + 2 :]
    pixels = np.linspace(0, 30000, _LARGEST_SIDE**2, dtype=np.uint16).tobytes()
    return header + data[start : start + 8] + struct.pack("<I", len(pixels)) + pixels


_FILES: dict[str, Callable[[], bytes]] = {
    "a chest radiograph of 3.6 megapixels": lambda: real_file("RG1_UNCR.dcm"),
    "the same as JPEG 2000": lambda: real_file("RG1_J2KR.dcm"),
    "a small image as JPEG lossless": lambda: as_radiograph(real_file("JPEG-LL.dcm")),
    "64 megapixels of 16 bits": _largest,
    "4 MB of tiny elements": lambda: (
        _meta(_EXPLICIT) + struct.pack("<HH2sH", 9, 1, b"LO", 0) * (_MEGABYTE // 2)
    ),
    "4 MB of empty items": lambda: _meta(_EXPLICIT) + _SEQUENCE + _EMPTY_ITEM * (_MEGABYTE // 2),
    "1 MB of sequences in sequences": lambda: (
        _meta(_EXPLICIT) + (_SEQUENCE + _ITEM) * (_MEGABYTE // 20)
    ),
    "1 MB that inflates to 1 GB": lambda: _meta(_DEFLATED) + _bomb(),
}


def _measured(file: str, data: bytes) -> Row:
    with tempfile.NamedTemporaryFile() as stored:
        stored.write(data)
        stored.flush()
        idle, read = (
            _in_own_process(Path(stored.name), seconds) for seconds in (0.0, _ENOUGH_SECONDS)
        )
    return Row(
        file=file,
        outcome=read[1],
        cpu_seconds=(read[2] - idle[2]) / read[0],
        megabytes=round(read[3] - idle[3]),
    )


def _in_own_process(path: Path, seconds: float) -> tuple[int, str, float, float]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, path, seconds))
    process.start()
    result: tuple[int, str, float, float] = receiver.recv()
    process.join()
    return result


def _work(sender: "Connection[object, object]", path: Path, seconds: float) -> None:
    """Read for so long; how often, the last outcome, and what it took of time and memory."""
    times, outcome = 0, ""
    with DicomPool() as pool:
        decode(as_radiograph(real_file("CT_small.dcm")), Limits(), pool=pool)
        data = path.read_bytes()
        begun = time.monotonic()
        while time.monotonic() - begun < seconds or times < bool(seconds):
            times += 1
            try:
                decode(data, Limits(), pool=pool)
                outcome = "read"
            except PneumoniaError as error:
                outcome = f"`{error.code}`"
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in used)
    megabytes = peak_megabytes(os.getpid()) + used[1].ru_maxrss / 1024
    sender.send((times, outcome, cpu, megabytes))


def peak_megabytes(pid: int) -> float:
    """The most that a process has had in memory at a time, 10^6 bytes."""
    # not ru_maxrss, which begins with what the process that started this one once took
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    raise SystemExit(main())
