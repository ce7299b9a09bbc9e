"""A thread that works on images of one state, one bunch after the other, and waits for more."""

import contextlib
import logging
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable

from service.pacs.backoff import wait_before
from service.pacs.errors import DiskFull, Failed, Unavailable
from service.pacs.settings import PacsSettings
from service.pacs.store import Row, Store

_logger = logging.getLogger("service.pacs")

# how long to sleep where nothing is due; what is new wakes up at once
_PAUSE_SECONDS = 1.0


class Worker:
    """Calls a function again and again until it is stopped.

    Where the function raises :class:`Unavailable`, it waits, longer each time, since nothing that
    needs the same peer could be done either.

    Args:
        name: of the thread, for the log.
        step: does what is due and returns whether there was anything.
        settings: of the node.
        store: where the reason is told to people while the worker waits.
        pause: seconds until it looks again where there was nothing.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], bool],
        settings: PacsSettings,
        store: Store,
        pause: float = _PAUSE_SECONDS,
    ) -> None:
        self._name = name
        self._step = step
        self._settings = settings
        self._store = store
        self._pause = pause
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._in_vain = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to do."""
        self._news.set()

    def stop(self) -> None:
        """End after the present step."""
        self._stopped.set()
        self._news.set()

    def join(self, seconds: float) -> None:
        """Wait until it has ended."""
        self._thread.join(seconds)

    def is_alive(self) -> bool:
        """Whether it still works."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._news.clear()
            try:
                found = self._step()
                self._set_trouble(None)
                if not found:
                    self._news.wait(self._pause)
            except Unavailable as error:
                self._set_trouble(error.detail)
                wait = wait_before(self._in_vain, self._settings)
                self._stopped.wait(max(wait, error.retry_after or 0))
            except DiskFull as error:
                _logger.error(error.detail, extra={"fields": {"worker": self._name}})
                self._stopped.wait(self._settings.retry_seconds)
            except Exception as error:  # noqa: BLE001 - other images must go on, whatever it is
                # a message may quote a tag, so the line says only what it is and where
                place = traceback.extract_tb(error.__traceback__)[-1]
                fields = {"error": type(error).__name__, "at": f"{place.name} {place.lineno}"}
                _logger.error(
                    "unexpected error", extra={"fields": {"worker": self._name, **fields}}
                )
                self._stopped.wait(self._settings.retry_seconds)

    def _set_trouble(self, reason: str | None) -> None:
        if reason:
            self._in_vain += 1
            _logger.warning(reason, extra={"fields": {"worker": self._name}})
        elif self._in_vain:
            self._in_vain = 0
            _logger.info("works again", extra={"fields": {"worker": self._name}})
        else:
            return
        with contextlib.suppress(DiskFull, sqlite3.Error):  # it is only for people
            self._store.set_trouble(self._name, reason)


def put_off(store: Store, row: Row, error: Failed, settings: PacsSettings) -> None:
    """Try an image again later, or put it aside where it has failed too often."""
    failures = row.failures + 1
    fields = {"image": row.id, "state": row.state, "reason": error.detail}
    if failures >= settings.attempts:
        store.move(row, "dead", reason=f"{row.state}: {error.detail}")
        _logger.error("dead", extra={"fields": fields})
        return
    next_at = time.time() + wait_before(failures, settings)
    store.move(row, row.state, failures=failures, next_at=next_at, reason=error.detail)
    _logger.warning("put off", extra={"fields": fields})
