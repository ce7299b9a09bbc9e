"""The own reader of DICOM headers beside pydicom's, on a real file and on hostile ones.

    python -m benchmarks.dicom_reader

Each file is read in a process of its own, by pydicom with everything that keeps it short: only the
elements that are needed, no pixel data. What counts is processor time and how much memory the
process grew by. `docs/dicom.md` shows the report.
"""

import argparse
import multiprocessing
import struct
import time
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypedDict

import pydicom

from benchmarks.dicom_files import real_file
from benchmarks.report import RESULTS, read_report, write_report
from service.errors import PneumoniaError
from service.imaging.dicom_reader import DEFLATED, EXPLICIT_LITTLE, read_elements
from service.imaging.dicom_tags import Tag
from service.imaging.radiograph import Limits

_MEGABYTE = 2**20
_UNDEFINED = 0xFFFFFFFF
_SEQUENCE = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, _UNDEFINED)
_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, _UNDEFINED)
_EMPTY_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
_FEWEST_SECONDS = 0.5


class Row(TypedDict):
    """What one reader made of one file."""

    file: str
    reader: str
    outcome: str
    cpu_seconds: float
    grew_megabytes: int


def main() -> int:
    """Measure and write ``dicom_reader.json``."""
    parser = argparse.ArgumentParser(description="Compare the DICOM header readers.")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    options = parser.parse_args()
    rows = [_measured(name, reader, data) for name, data in _files().items() for reader in _READERS]
    print(*rows, sep="\n")
    print(f"wrote {write_report('dicom_reader', {'rows': rows}, options.out)}")
    return 0


def reader_block() -> str:
    """Both readers on each file, a table; times as a ratio."""
    rows: list[Row] = read_report("dicom_reader")["rows"]
    lines = [
        "| file | own reader | pydicom | pydicom's time is |",
        "|---|---|---|---|",
    ]
    for ours, theirs in zip(rows[::2], rows[1::2], strict=True):
        cells = [f"{row['outcome']}, {row['grew_megabytes']} MB" for row in (ours, theirs)]
        ratio = theirs["cpu_seconds"] / ours["cpu_seconds"]
        lines.append(
            f"| {ours['file']} | {cells[0]} | {cells[1]} | {float(f'{ratio:.2g}'):g} times |"
        )
    return "\n".join(lines)


def _files() -> dict[str, bytes]:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = b"".join(deflater.compress(bytes(_MEGABYTE)) for _ in range(1024)) + deflater.flush()
    items = 4 * _MEGABYTE // len(_EMPTY_ITEM)
    return {
        "a real chest radiograph": real_file("RG1_UNCR.dcm"),
        "4 MB of empty items": _meta(EXPLICIT_LITTLE) + _SEQUENCE + _EMPTY_ITEM * items,
        "1 MB of sequences in sequences": _meta(EXPLICIT_LITTLE)
        + (_SEQUENCE + _ITEM) * (_MEGABYTE // 20),
        "1 MB that inflates to 1 GB": _meta(DEFLATED) + bomb,
    }


def _meta(syntax: str) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM\x02\x00\x10\x00UI" + struct.pack("<H", len(value)) + value


def _ours(data: bytes) -> None:
    read_elements(data, Limits().max_pixels)


def _pydicom(data: bytes) -> None:
    pydicom.dcmread(BytesIO(data), stop_before_pixels=True, specific_tags=[int(tag) for tag in Tag])


_READERS: dict[str, Callable[[bytes], None]] = {"own reader": _ours, "pydicom": _pydicom}


def _measured(file: str, reader: str, data: bytes) -> Row:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, reader, data))
    process.start()
    outcome, seconds, grew = receiver.recv()
    process.join()
    return Row(file=file, reader=reader, outcome=outcome, cpu_seconds=seconds, grew_megabytes=grew)


def _work(sender: Connection, reader: str, data: bytes) -> None:
    warnings.simplefilter("ignore")
    read = _READERS[reader]
    read(real_file("RG1_UNCR.dcm"))  # whatever is made once
    before = _peak_megabytes()
    outcome, times = "read", 0
    begun = time.process_time()
    while time.process_time() - begun < _FEWEST_SECONDS:
        times += 1
        try:
            read(data)
        except PneumoniaError:
            outcome = "refused"
        except Exception as error:  # noqa: BLE001 - which one is what is asked
            outcome = f"`{type(error).__name__}`"
    seconds = (time.process_time() - begun) / times
    sender.send((outcome, seconds, _peak_megabytes() - before))


def _peak_megabytes() -> int:
    # not ru_maxrss, which begins with what the process that started this one once took
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return round(int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6)


if __name__ == "__main__":
    raise SystemExit(main())
