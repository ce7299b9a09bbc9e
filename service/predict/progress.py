"""How far the work is, on standard error."""

from time import monotonic
from typing import TextIO

from service.predict.reading import Record

_SECONDS = 0.2


class Progress:
    """Counts records; on a terminal it shows the count while it grows."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        """Begin at none.

        Args:
            stream: standard error.
            quiet: whether nothing is written.
        """
        self._stream = stream
        self._quiet = quiet
        self._live = not quiet and stream.isatty()
        self._start = self._shown = monotonic()
        self.done = self.unanswered = 0

    def count(self, record: Record) -> None:
        """One more."""
        self.add(1, int("code" in record))

    def add(self, done: int, unanswered: int) -> None:
        """So many more, of which so many are not answered."""
        self.done += done
        self.unanswered += unanswered
        if self._live and monotonic() - self._shown > _SECONDS:
            self._shown = monotonic()
            print(f"\r{self._text()}", end="", file=self._stream, flush=True)

    def close(self) -> None:
        """Say what it came to."""
        if not self._quiet:
            start = "\r" if self._live else ""
            print(f"{start}{self._text()}", file=self._stream)

    def _text(self) -> str:
        rate = self.done / max(monotonic() - self._start, 1e-6)
        return f"{self.done - self.unanswered} answered, {self.unanswered} not, {rate:.1f} a second"
