"""What reading DICOM costs, on real files, on the largest and on hostile ones.

Counted are CPU time and peak memory of the reading process and its workers, beyond what they
have when nothing is read. The report keeps the rows of the reader that was here before pydicom
(``previous``), which can no longer be measured; decision 9 shows both.
"""

import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np

from benchmarks.options import Options
from service.errors import PneumoniaError
from service.imaging.decode import decode
from service.imaging.dicom_pool import DicomPool
from service.imaging.radiograph import Limits
from tests.dicom import file_bytes, radiograph
from tests.dicom_files import as_radiograph, real_file
from tests.hostile_dicom import (
    DEFLATED,
    EMPTY_ITEM,
    EXPLICIT,
    ITEM,
    SEQUENCE,
    deflated,
    meta,
    tiny_elements,
)
from tests.process import peak_megabytes
from training.reports.files import RESULTS, read


def _largest() -> bytes:
    samples = np.linspace(0, 30000, 8000 * 8000, dtype=np.uint16).reshape(8000, 8000)
    return file_bytes(radiograph(samples, 15, WindowCenter=15000, WindowWidth=30000))


_FILES: dict[str, Callable[[], bytes]] = {
    "a chest radiograph of 3.6 megapixels": lambda: real_file("RG1_UNCR.dcm"),
    "the same as JPEG 2000": lambda: real_file("RG1_J2KR.dcm"),
    "a small image as JPEG lossless": lambda: as_radiograph(real_file("JPEG-LL.dcm")),
    "64 megapixels of 16 bits": _largest,
    "4 MB of tiny elements": lambda: meta(EXPLICIT) + tiny_elements(500_000),
    "4 MB of empty items": lambda: meta(EXPLICIT) + SEQUENCE + EMPTY_ITEM * 500_000,
    "1 MB of sequences in sequences": lambda: meta(EXPLICIT) + (SEQUENCE + ITEM) * 50_000,
    "1 MB that inflates to 1 GB": lambda: meta(DEFLATED) + deflated(1024, b"\0"),
}


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``dicom_reader.json``."""
    rows = [_measured(name, make(), options.seconds or 1) for name, make in _FILES.items()]
    return {"previous": read(RESULTS / "dicom_reader.json")["previous"], "rows": rows}


def _measured(file: str, data: bytes, seconds: float) -> dict[str, Any]:
    context = get_context("spawn")
    with (
        NamedTemporaryFile() as stored,
        ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool,
    ):
        stored.write(data)
        stored.flush()
        _, _, idle_seconds, idle = pool.submit(_read, Path(stored.name), 0).result()
        times, outcome, used, peak = pool.submit(_read, Path(stored.name), seconds).result()
    each = (used - idle_seconds) / times
    return {"file": file, "outcome": outcome, "cpu_seconds": each, "megabytes": round(peak - idle)}


def _read(path: Path, seconds: float) -> tuple[int, str, float, float]:
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
    return times, outcome, cpu, peak_megabytes(os.getpid()) + used[1].ru_maxrss / 1024
