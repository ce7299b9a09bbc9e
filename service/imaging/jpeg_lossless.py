"""JPEG lossless (ITU-T T.81 process 14) and JPEG-LS (T.87), decoded by GDCM in its own process.

Some broken streams make GDCM end its process or keep it busy for ever, and a thread cannot be
ended (docs/decisions/0009-packages-for-dicom.md). A process can.
"""

import errno
import math
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.errors import UndecodableImage
from service.imaging.codestream import Codestream

_NO_ROOM_FOR_A_PROCESS = (errno.ENOMEM, errno.EAGAIN)
_PROGRAM = Path(__file__).with_name("gdcm_program.py")
_SYNTAXES = {"JPEG lossless": "1.2.840.10008.1.2.4.57", "JPEG-LS": "1.2.840.10008.1.2.4.81"}
# of processor time: Python starts and twenty megapixels are decoded in one
_MOST_SECONDS = 5.0
_MOST_SECONDS_A_SAMPLE = 2.5e-7
# a process that gets no processor at all must end too
_PATIENCE = 10
_END = b"\xff\xd9"
_ROOM_FOR_PADDING = 16
# GDCM makes up what is missing, and only tells
_COMPLAINTS = (b"premature end", b"bad Huffman code")


def decode(stream: Codestream) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode a picture of one component.

    Returns:
        uint8 or, where the stream has more than 8 bits, uint16 ``[rows, columns]``.

    Raises:
        UndecodableImage: truncated or corrupt.
        MemoryError: the system has no room for another process now.
    """
    if _END not in stream.data[-_ROOM_FOR_PADDING:]:
        raise _corrupt()
    count = stream.rows * stream.columns
    seconds = math.ceil(_MOST_SECONDS + _MOST_SECONDS_A_SAMPLE * count)
    words = (str(number) for number in (stream.columns, stream.rows, stream.bits, seconds))
    try:
        # -I keeps the environment and the working directory out of it
        process = subprocess.run(  # noqa: S603 - a fixed program; the upload is only its input
            [sys.executable, "-I", str(_PROGRAM), _SYNTAXES[stream.process], *words],
            input=stream.data,
            capture_output=True,
            timeout=_PATIENCE * seconds,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise _endless() from error
    except subprocess.CalledProcessError as error:
        out_of_time = error.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
        raise (_endless() if out_of_time else _corrupt()) from error
    except OSError as error:
        if error.errno in _NO_ROOM_FOR_A_PROCESS:
            raise MemoryError from error
        raise
    complained = any(complaint in process.stderr for complaint in _COMPLAINTS)
    cells = np.frombuffer(process.stdout, np.uint8)
    if complained or cells.size != count * (1 if stream.bits <= 8 else 2):
        raise _corrupt()
    samples = cells if stream.bits <= 8 else cells.view("<u2")
    return samples.reshape(stream.rows, stream.columns)


def _endless() -> UndecodableImage:
    return UndecodableImage(
        "The picture took too long to decompress, as corrupt ones do. Send it uncompressed."
    )


def _corrupt() -> UndecodableImage:
    return UndecodableImage(
        "The losslessly compressed picture is truncated or corrupt. Send the original file."
    )
