"""The process that reads DICOM files, one after the other; `dicom_pool.py` starts and ends it.

    python -m service.imaging.dicom_worker FD

FD is one end of a socket pair. A request is two messages: the most pixels and the size of the file,
then the file. The answer is one of JSON, an error or what the file is, and for the latter one of
uint8 pixels, row by row.
"""

import json
import math
import resource
import signal
import socket
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pydicom import config

from service.errors import PneumoniaError, TooLarge
from service.imaging.dicom import DicomFile
from service.imaging.dicom_messages import receive, send
from service.imaging.radiograph import Limits

# CPU time, after which the kernel ends the process. A radiograph's header takes milliseconds;
# the slowest codec decodes four megapixels in a second on a slow core.
_HEADER_SECONDS = 3.0
_SECONDS = 5.0
_SECONDS_A_PIXEL = 2.5e-7
# Address space beside what the process has at its start. A file is in memory up to four times; GDCM
# hands its samples over as text, which takes 16 bytes a pixel of 16 bits.
_BYTES = 64 * 2**20
_COPIES = 4
_BYTES_A_PIXEL = 18

_PROCESS = Path("/proc/self")  # only on Linux, as are limits of the address space


def main(descriptor: int) -> None:
    """Answer until the other end of the connection is closed."""
    # the terminal's Ctrl-C and an init system's SIGTERM are for the service, which drains first
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # they repeat values of the file
    config.settings.reading_validation_mode = config.IGNORE
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold an image
    before = None
    if _PROCESS.exists():
        # where memory is short the kernel ends this process, not the service
        (_PROCESS / "oom_score_adj").write_text("1000")
        before = int((_PROCESS / "statm").read_text().split()[0]) * resource.getpagesize()
    connection = socket.socket(fileno=descriptor)
    send(connection, b"ready")
    try:
        while True:
            most_pixels, size = (int(number) for number in receive(connection).split())
            if before:
                room = _BYTES + _COPIES * size + _BYTES_A_PIXEL * most_pixels
                _limit(resource.RLIMIT_AS, before + room)
            for message in _answer(receive(connection), Limits(most_pixels)):
                send(connection, message)
            del message  # no memory is kept between files
    except (EOFError, OSError):
        return  # the service has gone, or will end this process


def _answer(data: bytearray, limits: Limits) -> list[bytes]:
    """What is sent back for one file."""
    source = None
    try:
        _limit_cpu_time(_HEADER_SECONDS)
        file = DicomFile(data, limits)
        source = file.source
        _limit_cpu_time(_SECONDS + _SECONDS_A_PIXEL * file.layout.rows * file.layout.columns)
        radiograph = file.decode()
        pixels = np.asarray(radiograph.image).tobytes()
    except MemoryError:
        error: PneumoniaError = TooLarge(
            "Reading the DICOM file takes far more memory than an X-ray. Send it uncompressed, or "
            "a smaller copy."
        )
        error.source = source
    except PneumoniaError as refusal:
        error = refusal
    else:
        found = {key: value for key, value in vars(radiograph).items() if key != "image"}
        return [json.dumps(found, default=asdict).encode(), pixels]
    found = {"error": error.code, "detail": error.detail, "source": error.source}
    return [json.dumps(found, default=asdict).encode()]


def _limit_cpu_time(seconds: float) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(usage.ru_utime + usage.ru_stime + seconds))


def _limit(kind: int, most: int) -> None:
    """Set the limit that can be raised again."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
