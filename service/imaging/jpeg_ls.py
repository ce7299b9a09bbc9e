"""JPEG-LS (ITU-T T.87), decoded by CharLS in a process of its own.

Broken streams can keep CharLS busy for seconds or, by its own authors' fuzzing, for ever, and no
other thread of its process runs meanwhile (docs/decisions/0008-dicom.md). A process can be ended.
"""

import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

from service.errors import UndecodableImage
from service.imaging.codestream import Codestream

_PROGRAM = """
import sys, jpeg_ls
sys.stdout.buffer.write(jpeg_ls.decode_buffer(sys.stdin.buffer.read())[0])
"""
# Python starts and decodes thirty megapixels a second, several times slower when it is busy.
_MOST_SECONDS = 5.0
_MOST_SECONDS_A_SAMPLE = 1e-7
_END = b"\xff\xd9"
_ROOM_FOR_PADDING = 16


def decode(stream: Codestream) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode a picture of one component.

    Returns:
        uint8 or, where the stream has more than 8 bits, uint16 ``[rows, columns]``.

    Raises:
        UndecodableImage: truncated or corrupt.
    """
    count = stream.rows * stream.columns
    if _END not in stream.data[-_ROOM_FOR_PADDING:]:
        raise _corrupt()  # what was truncated would be the slowest to refuse
    try:
        # -I keeps the environment and the working directory out of it
        process = subprocess.run(  # noqa: S603 - a fixed program; the upload is only its input
            [sys.executable, "-I", "-c", _PROGRAM],
            input=stream.data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_MOST_SECONDS + _MOST_SECONDS_A_SAMPLE * count,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise UndecodableImage(
            "The JPEG-LS picture took too long to decode, as corrupt ones do. Send it uncompressed."
        ) from error
    except subprocess.CalledProcessError as error:
        raise _corrupt() from error
    cells = np.frombuffer(process.stdout, np.uint8)
    if cells.size != count * (1 if stream.bits <= 8 else 2):
        raise _corrupt()
    samples = cells if stream.bits <= 8 else cells.view(np.uint16)
    return samples.reshape(stream.rows, stream.columns)


def _corrupt() -> UndecodableImage:
    return UndecodableImage(
        "The JPEG-LS picture is truncated or corrupt. Send the complete, original file."
    )
