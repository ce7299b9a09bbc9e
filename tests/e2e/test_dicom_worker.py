"""The processes that read DICOM files: hostile files cost their own request and nothing else."""

import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import psutil
import pytest

from service.errors import (
    NotAChestXray,
    Overloaded,
    PneumoniaError,
    TooLarge,
    UndecodableImage,
    UnsupportedType,
)
from service.imaging.decode import decode
from service.imaging.dicom_pool import DicomPool
from service.imaging.radiograph import Limits
from tests.dicom import ENCODED, file_bytes, frame_of, radiograph, shadows
from tests.dicom_files import real_file
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
from tests.process import ROOT, peak_megabytes
from tests.waiting import wait_until

GOOD = file_bytes(radiograph(shadows(), WindowCenter=2048, WindowWidth=4096))


@pytest.fixture
def pool() -> Iterator[DicomPool]:
    """With all the time that a large file may take on a machine that is busy with other things."""
    with DicomPool(patience=600) as pool:
        yield pool


def workers() -> list[int]:
    """Process numbers of the workers that this process started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
            command = status.with_name("cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if f"PPid:\t{os.getpid()}\n" in text and b"dicom_worker" in command:
            found.append(int(status.parent.name))
    return found


def seconds_of_workers() -> float:
    """Processor time of the workers, of those that ended too."""
    ended = os.times()
    running = [psutil.Process(worker).cpu_times() for worker in workers()]
    return (
        ended.children_user
        + ended.children_system
        + sum(times.user + times.system for times in running)
    )


def claiming(syntax: str, rows: int, columns: int) -> bytes:
    """A small compressed frame whose own header, and the file's, claim another size."""
    samples = shadows(64, 64, 8).astype(np.uint8)
    frame = bytearray(frame_of(syntax, samples, 8))
    if syntax == "JPEG 2000":
        struct.pack_into(">II", frame, 8, columns, rows)
        struct.pack_into(">II", frame, 24, columns, rows)
    elif syntax != "RLE":
        start = max(frame.find(bytes([0xFF, marker])) for marker in (0xC0, 0xC3, 0xF7))
        struct.pack_into(">HH", frame, start + 5, rows, columns)
    return file_bytes(
        radiograph(samples, 8), syntax, frame=bytes(frame), Rows=rows, Columns=columns
    )


# what is refused, and how; None where a decoder may also make up what is missing
HOSTILE: dict[str, tuple[Callable[[], bytes], type[PneumoniaError] | None]] = {
    # no more, or on a slow core the limit of processor time would be met before the end
    "a quarter of a million tiny elements": (
        lambda: meta(EXPLICIT) + tiny_elements(250_000),
        UnsupportedType,
    ),
    "sixteen megabytes of empty items": (
        lambda: meta(EXPLICIT) + SEQUENCE + EMPTY_ITEM * 2_000_000,
        UndecodableImage,
    ),
    "sequences in sequences": (
        lambda: meta(EXPLICIT) + (SEQUENCE + ITEM) * 50_000,
        UndecodableImage,
    ),
    "sequences in sequences, meta": (
        lambda: bytes(128) + b"DICM" + (b"\x02" + SEQUENCE[1:] + ITEM) * 50_000,
        UndecodableImage,
    ),
    "inflates to two gigabytes": (lambda: meta(DEFLATED) + deflated(2048, b"\0"), TooLarge),
    "inflates to tiny elements": (
        lambda: meta(DEFLATED) + deflated(128, tiny_elements(1)),
        UndecodableImage,
    ),
    "run-length bomb": (
        lambda: file_bytes(
            radiograph(shadows(64, 64, 8).astype(np.uint8), 8),
            "RLE",
            frame=struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\xff" * 12_000_000,
        ),
        UndecodableImage,
    ),
    **{
        f"{syntax} that claims {side} x {side} pixels": (
            partial(claiming, syntax, side, side),
            TooLarge if side > 8000 else None,
        )
        for syntax in ("RLE", "JPEG", "JPEG lossless", "JPEG-LS", "JPEG 2000")
        for side in (8000, 60_000)
    },
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_bounded_time_and_memory(pool: DicomPool, kind: str) -> None:
    make, error = HOSTILE[kind]
    data = make()
    decode(GOOD, Limits(), pool=pool)
    # not by the clock: how much of a core a worker gets is not its doing
    begun = seconds_of_workers()
    before = os.times()
    with pytest.raises(error) if error else suppress(UndecodableImage):
        decode(data, Limits(), pool=pool)
    own = os.times()
    assert own.user + own.system - before.user - before.system < 1
    assert seconds_of_workers() - begun < 30
    assert decode(GOOD, Limits(), pool=pool).format == "DICOM"


@pytest.mark.parametrize("syntax", ENCODED)
def test_broken_streams_are_refused_and_the_next_file_is_read(pool: DicomPool, syntax: str) -> None:
    samples = shadows(64, 64, 8).astype(np.uint8)
    frame = frame_of(syntax, samples, 8)
    rng = np.random.default_rng(5)
    for _ in range(30):
        broken = bytearray(frame)
        for place in rng.integers(2, len(frame), 5):
            broken[place] = rng.integers(256)
        try:
            decode(
                file_bytes(radiograph(samples, 8), syntax, frame=bytes(broken)), Limits(), pool=pool
            )
        except (UndecodableImage, UnsupportedType) as error:
            assert "0x" not in error.detail
        assert decode(GOOD, Limits(), pool=pool).format == "DICOM"


@pytest.mark.parametrize("program", ["abort", "hang", "exit", "eat"])
def test_what_becomes_of_a_worker_harms_only_its_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    """A worker whose GDCM, which is called for JPEG lossless, has gone mad."""
    deeds = {
        "abort": "os.abort()",
        "hang": "all(True for _ in iter(int, 1))",
        "exit": "os._exit(0)",
        "eat": "kept = []\n    while True: kept.append(bytearray(1 << 24))",
    }
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, gdcm\ndef deed(*_):\n    {deeds[program]}\ngdcm.Fragment = deed\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    data = file_bytes(radiograph(shadows()), "JPEG lossless")
    with DicomPool() as pool:
        decode(GOOD, Limits(), pool=pool)
        with pytest.raises(UndecodableImage):
            decode(data, Limits(), pool=pool)
        assert decode(GOOD, Limits(), pool=pool).format == "DICOM"


def test_a_worker_that_gets_no_processor_is_given_up() -> None:
    with DicomPool(patience=5) as pool:
        decode(GOOD, Limits(), pool=pool)
        (stopped,) = workers()
        os.kill(stopped, signal.SIGSTOP)
        with pytest.raises(UndecodableImage, match="within 5 s"):
            decode(GOOD, Limits(), pool=pool)
        assert stopped not in workers()
        assert decode(GOOD, Limits(), pool=pool).format == "DICOM"


def test_a_worker_killed_while_idle_is_replaced(pool: DicomPool) -> None:
    decode(GOOD, Limits(), pool=pool)
    (first,) = workers()
    os.kill(first, signal.SIGKILL)
    assert decode(GOOD, Limits(), pool=pool).format == "DICOM"
    assert workers() != [first]


def test_a_file_whose_worker_is_killed_is_read_by_another(pool: DicomPool) -> None:
    decode(GOOD, Limits(), pool=pool)
    (first,) = workers()
    os.kill(first, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (first, signal.SIGKILL)).start()
    assert decode(GOOD, Limits(), pool=pool).format == "DICOM"
    assert first not in workers()


def test_where_workers_are_killed_again_and_again_memory_is_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, gdcm\ngdcm.Fragment = lambda: os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with DicomPool() as pool, pytest.raises(Overloaded):
        decode(file_bytes(radiograph(shadows()), "JPEG lossless"), Limits(), pool=pool)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_for_the_service_do_not_end_a_worker(pool: DicomPool, number: int) -> None:
    decode(GOOD, Limits(), pool=pool)
    before = workers()
    os.kill(before[0], number)
    time.sleep(0.2)
    decode(GOOD, Limits(), pool=pool)
    assert workers() == before


def test_files_that_come_at_once_are_read_at_once_and_workers_are_kept(pool: DicomPool) -> None:
    frame = real_file("RG1_J2KR.dcm")
    with ThreadPoolExecutor(3) as threads:
        for _ in range(2):
            list(threads.map(lambda _: decode(frame, Limits(), pool=pool), range(3)))
    assert 2 <= len(workers()) <= 3


def test_a_closed_pool_leaves_no_process() -> None:
    pool = DicomPool()
    decode(GOOD, Limits(), pool=pool)
    assert len(workers()) == 1
    pool.close()
    assert workers() == []


def test_without_a_pool_a_file_is_read_too_and_no_process_stays() -> None:
    assert decode(GOOD, Limits()).format == "DICOM"
    assert workers() == []


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)"])
def test_workers_end_with_their_service_however_it_ends(end: str) -> None:
    program = textwrap.dedent(
        f"""
        import os
        from service.imaging.dicom_pool import DicomPool
        from service.imaging.radiograph import Limits
        from tests.e2e.test_dicom_worker import GOOD, workers
        pool = DicomPool()
        pool.decode(GOOD, Limits())
        print(*workers(), flush=True)
        {end}
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    worker = Path("/proc", done.stdout.strip())
    assert done.stdout.strip(), done.stderr
    wait_until(lambda: not worker.exists(), "the worker has ended")


@pytest.mark.parametrize("number", [12, 11], ids=["ENOMEM", "EAGAIN"])
def test_a_process_there_is_no_room_for_is_not_called_corrupt(
    monkeypatch: pytest.MonkeyPatch, pool: DicomPool, number: int
) -> None:
    monkeypatch.setattr(subprocess, "Popen", Mock(side_effect=OSError(number, "fork")))
    with pytest.raises(Overloaded):
        decode(GOOD, Limits(), pool=pool)


def test_a_worker_that_cannot_start_is_not_blamed_on_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pool: DicomPool
) -> None:
    (tmp_path / "pydicom.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("service.imaging.dicom_pool._ROOT", tmp_path)
    with pytest.raises(RuntimeError, match="did not start"):
        decode(GOOD, Limits(), pool=pool)


@pytest.mark.parametrize("syntax", ["RLE", "JPEG lossless"])
def test_the_largest_file_fits_beside_the_service(pool: DicomPool, syntax: str) -> None:
    """Compose allows 1,536 MB, and the service itself takes some 200 MB."""
    samples = np.full((8000, 8000), 0xF090, np.uint16)
    samples[:1000] = 0x0820
    runs = (
        b"\x81\x08" * 62_500 + b"\x81\xf0" * 437_500,
        b"\x81\x20" * 62_500 + b"\x81\x90" * 437_500,
    )
    frame = (
        struct.pack("<16I", 2, 64, 64 + len(runs[0]), *[0] * 13) + b"".join(runs)
        if syntax == "RLE"
        else frame_of(syntax, samples, 16)
    )
    window = {"WindowCenter": 32768, "WindowWidth": 65536}
    data = file_bytes(radiograph(samples, 16, **window), syntax, frame=frame)
    del samples, frame
    before = psutil.Process().memory_info().rss
    found = decode(data, Limits(), pool=pool)
    assert (found.width, found.height) == (8000, 8000)
    (worker,) = workers()
    growth = (psutil.Process().memory_info().rss - before) / 1e6
    assert peak_megabytes(worker) + growth < 1100


def test_refusals_are_the_same_errors_as_in_this_process(pool: DicomPool) -> None:
    with pytest.raises(NotAChestXray, match="lateral"):
        decode(file_bytes(radiograph(shadows(), ViewPosition="LL")), Limits(), pool=pool)
    with pytest.raises(TooLarge, match="megapixels"):
        decode(GOOD, Limits(4000), pool=pool)
