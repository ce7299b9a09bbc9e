"""DICOM files are read in processes of their own, because some of them are made to do harm.

pydicom and its codecs read what hospitals send, and a hostile file makes them crash, hang or take
all memory (docs/decisions/0009-packages-for-dicom.md). A process has limits and can be ended, and
costs its request alone.
"""

import errno
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from PIL import Image

from service.errors import (
    NotAChestXray,
    PneumoniaError,
    TooLarge,
    UndecodableImage,
    UnsupportedType,
)
from service.imaging.dicom_messages import receive, send
from service.imaging.radiograph import Limits, PredictionWarning, Radiograph, Source, Uids

_log = logging.getLogger(__name__)

_ROOT = Path(__file__).parents[2]
_ERRORS: dict[str, type[PneumoniaError]] = {
    error.code: error for error in (NotAChestXray, TooLarge, UndecodableImage, UnsupportedType)
}
_NO_ROOM_FOR_A_PROCESS = (errno.ENOMEM, errno.EAGAIN)
# A worker that is given no processor at all must end too; its CPU time has limits of its own.
_PATIENCE_SECONDS = 60.0
_ATTEMPTS = 2
_ENVIRONMENT = {
    # a thread pool for linear algebra would only take address space
    "OPENBLAS_NUM_THREADS": "1",
    # Images of usual size reuse the memory of the one before, which halves the CPU time.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}


class _Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    connection: socket.socket


class _Gone(Exception):
    """The worker ended instead of answering; its exit status, negative for a signal."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class DicomPool:
    """Worker processes that read DICOM files; safe to share between threads.

    One is started where none is idle, so there are never more than threads that read at a time. A
    worker that crashed or exceeded its limits is replaced. All end with the pool, or with the
    process that has it.
    """

    def __init__(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Start no process yet.

        Args:
            patience: seconds of wall-clock time for one file, when its worker has started.
        """
        self._patience = patience
        self._idle: list[_Worker] = []
        self._finalizer = weakref.finalize(self, _end_all, self._idle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the idle workers; one that still reads ends when it is done."""
        self._finalizer()

    def decode(self, data: bytes, limits: Limits) -> Radiograph:
        """Read one file, see :class:`service.imaging.dicom.DicomFile`.

        Raises:
            UndecodableImage, UnsupportedType, NotAChestXray, TooLarge: see there; also a file at
                which its reader crashed or exceeded its limits.
            MemoryError: the system has no room for another process, or ended two for want of it.
        """
        for _ in range(_ATTEMPTS):
            worker = self._take()
            try:
                return self._ask(worker, data, limits)
            except _Gone as gone:
                _log.warning("a DICOM worker ended with status %d", gone.status)
                if gone.status == -signal.SIGXCPU:
                    raise UndecodableImage(
                        "The DICOM file took too long to read, as corrupt ones do. Export it again."
                    ) from None
                if gone.status != -signal.SIGKILL:
                    raise UndecodableImage(
                        "The DICOM file is corrupt: reading it broke the decoder. Send the "
                        "original file, uncompressed."
                    ) from None
        raise MemoryError  # somebody else killed it twice; the kernel does so when memory is short

    def _take(self) -> _Worker:
        """An idle worker that lives, or a new one."""
        while self._idle:
            try:
                worker = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if worker.process.poll() is None:
                return worker
            worker.connection.close()
        return _start(self._patience)

    def _ask(self, worker: _Worker, data: bytes, limits: Limits) -> Radiograph:
        connection = worker.connection
        try:
            send(connection, f"{limits.max_pixels} {len(data)}".encode())
            send(connection, data)
            found: dict[str, Any] = json.loads(receive(connection))
            pixels = b"" if "error" in found else receive(connection)
        except TimeoutError:
            _end(worker)
            raise UndecodableImage(
                f"The DICOM file was not read within {self._patience:g} s. Export it again."
            ) from None
        except (EOFError, OSError):
            raise _Gone(_end(worker)) from None
        except BaseException:
            _end(worker)  # whatever it still sends belongs to no other request
            raise
        self._idle.append(worker)
        if not self._finalizer.alive:
            _end_all(self._idle)
        if "error" in found:
            error = _ERRORS[found["error"]](found["detail"])
            error.source = _source(found["source"])
            raise error
        return _radiograph(found, pixels)


def _start(patience: float) -> _Worker:
    ours, theirs = socket.socketpair()
    ours.settimeout(_PATIENCE_SECONDS)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module; the upload is only its input
            [sys.executable, "-m", "service.imaging.dicom_worker", str(theirs.fileno())],
            cwd=_ROOT,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # codecs and tracebacks repeat values of files
            pass_fds=(theirs.fileno(),),
            process_group=0,  # out of reach of the terminal's Ctrl-C
        )
    except OSError as error:
        ours.close()
        if error.errno in _NO_ROOM_FOR_A_PROCESS:
            raise MemoryError from error
        raise
    finally:
        theirs.close()
    worker = _Worker(process, ours)
    with suppress(EOFError, OSError):
        receive(ours)
        ours.settimeout(patience)
        return worker
    raise RuntimeError(f"the DICOM worker did not start: status {_end(worker)}")


def _end(worker: _Worker) -> int:
    """Close and reap; its exit status where it ended by itself."""
    worker.connection.close()
    with suppress(subprocess.TimeoutExpired):
        return worker.process.wait(1)
    worker.process.kill()
    return worker.process.wait()


def _end_all(workers: list[_Worker]) -> None:
    while workers:
        _end(workers.pop())


def _radiograph(found: dict[str, Any], pixels: bytes | bytearray) -> Radiograph:
    found["warnings"] = tuple(PredictionWarning(**warning) for warning in found["warnings"])
    found["source"] = _source(found["source"])
    size = (found["width"], found["height"])
    return Radiograph(image=Image.frombuffer("L", size, pixels, "raw", "L", 0, 1), **found)


def _source(found: dict[str, Any] | None) -> Source | None:
    return Source(**{**found, "uids": Uids(**found["uids"])}) if found else None
