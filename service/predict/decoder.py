"""Images are read in a process of its own, so that one that kills its reader is known by it.

    python -m service.predict.decoder

is that process. A message is a pickled object: first an :class:`ImageReader`'s arguments, then for
each image its name and its bytes, which are answered with what :func:`read_image` gives. Both ends
are this module.
"""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from select import select
from typing import IO

from service.imaging.preprocess import Resampling
from service.imaging.radiograph import Limits
from service.imaging.reader import ImageReader, ReadImage
from service.predict.reading import Record, problem, read_image

_ROOT = Path(__file__).parents[2]
# The first death may have been of another cause, such as a machine that is short of memory.
_ATTEMPTS = 2
_PATIENCE_SECONDS = 120.0

Arguments = tuple[int, int, Resampling, Limits]


class Decoder:
    """Has one such process, which ends with it; for one thread."""

    def __init__(self, arguments: Arguments) -> None:
        """Start it.

        Args:
            arguments: of :class:`ImageReader`.
        """
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = self._start()

    def read(self, file: str, data: bytes | Record) -> ReadImage | Record:
        """See :func:`read_image`."""
        if isinstance(data, dict):
            return data
        for _ in range(_ATTEMPTS):
            try:
                return self._ask(file, data)
            except (BrokenPipeError, EOFError):
                self.close()
        detail = (
            f"Reading this file crashed or stalled its reader {_ATTEMPTS} times. Export it anew."
        )
        return problem(file, "reader_died", detail)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _ask(self, file: str, data: bytes) -> ReadImage | Record:
        process = self._process = self._process or self._start()
        assert process.stdin
        assert process.stdout
        _send(process.stdin, (file, data))
        if not select([process.stdout], [], [], _PATIENCE_SECONDS)[0]:
            raise EOFError
        answer: ReadImage | Record = pickle.load(process.stdout)  # noqa: S301
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - our own module; images are only its input
            [sys.executable, "-m", __name__],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # codecs repeat values of files
            pipesize=2**20,  # room for most images, so that neither end waits for the other
            process_group=0,  # out of reach of the terminal's Ctrl-C
        )
        assert process.stdin
        _send(process.stdin, self._arguments)
        return process


def _send(stream: IO[bytes], message: object) -> None:
    pickle.dump(message, stream, pickle.HIGHEST_PROTOCOL)
    stream.flush()


def main() -> None:
    """Answer until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    questions = sys.stdin.buffer
    reader = ImageReader(*pickle.load(questions))  # noqa: S301
    while True:
        try:
            file, data = pickle.load(questions)  # noqa: S301
        except EOFError:
            break
        _send(answers, read_image(file, data, reader.read))
    reader.close()


if __name__ == "__main__":
    main()
