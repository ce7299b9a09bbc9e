"""The running node: what receives, what asks, what sends, what clears up; and how it ends."""

import logging
import signal
import threading
import time
from collections.abc import Callable

from pynetdicom import _config

from service.errors import StartError
from service.pacs.commitment import Commitments
from service.pacs.destinations import destination_of
from service.pacs.inbox import Inbox
from service.pacs.monitoring import Metrics, Monitor
from service.pacs.outbox import Outbox
from service.pacs.scorer import Scorer
from service.pacs.scp import Scp
from service.pacs.settings import ANYBODY, PacsSettings
from service.pacs.spool import FolderLock, Spool
from service.pacs.store import State, Store
from service.pacs.webhook import Webhook
from service.pacs.worker import Worker

_logger = logging.getLogger("service.pacs")

DATABASE = "node.sqlite"
_TICK_SECONDS = 2.0
# libraries whose lines quote what peers send, or addresses with UIDs
_TALKATIVE = ("pynetdicom", "pydicom", "highdicom", "dicomweb_client", "urllib3", "httpx")


def open_store(settings: PacsSettings) -> Store:
    """The states of the images, which the node and its commands share."""
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Store(settings.folder / DATABASE)


def serve(settings: PacsSettings, stop: threading.Event | None = None) -> None:
    """Receive, ask and send until a signal comes.

    Args:
        settings: of the node.
        stop: ends it too; by default SIGTERM and SIGINT alone.

    Raises:
        StartError: a setting is missing, another node works in the folder, or an address cannot
            be listened on.
    """
    if not settings.calling_aets:
        raise StartError(
            "set PNEUMONIA_PACS_CALLING_AETS to the titles of those who may send"
            f" ({ANYBODY} for anybody)"
        )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    _config.LOG_HANDLER_LEVEL = "none"
    stop = stop or _stopped_by_signals()
    lock = FolderLock(settings.folder)
    try:
        _Node(settings).run(stop)
    finally:
        lock.release()


class _Node:
    def __init__(self, settings: PacsSettings) -> None:
        self._settings = settings
        self._store = open_store(settings)
        self._spool = Spool(settings.folder, settings.min_free_bytes)
        metrics = Metrics()
        metrics.watch(self._store, self._spool)
        inbox = Inbox(settings, self._spool, self._store)
        self._commitments = Commitments(settings, self._store)
        self._scp = Scp(settings, inbox, self._commitments, metrics)
        scorer = Scorer(settings, self._store, self._spool, metrics)
        self._outbox = Outbox(settings, self._store, self._spool, destination_of(settings), metrics)
        self._webhook = Webhook(settings, self._store, metrics) if settings.webhook_url else None
        self._monitor = Monitor(
            settings.monitoring_host, settings.monitoring_port, metrics, self._is_ready
        )
        ask = [self._worker(f"ask {number}", scorer.step) for number in range(settings.workers)]
        send = self._worker("send", self._outbox.send_due)
        finish = self._worker("finish", self._outbox.finish_stored)
        clear_up = self._worker("clear up", self._clear_up, _TICK_SECONDS)
        self._workers = [*ask, send, finish, clear_up]
        self._woken = {
            "received": ask,
            "answered": [send],
            "stored": [finish],
        }
        self._store.changed = self._wake
        self._listening = False

    def _worker(self, name: str, step: Callable[[], bool], pause: float = 1.0) -> Worker:
        return Worker(name, step, self._settings, self._store, pause)

    def run(self, stop: threading.Event) -> None:
        settings = self._settings
        try:
            host, port = self._scp.listen()
        except OSError as error:
            raise StartError(
                f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
            ) from error
        self._monitor.serve()
        for worker in self._workers:
            worker.start()
        self._scp.serve()
        self._listening = True
        fields: dict[str, object] = {
            "aet": settings.aet,
            "host": host,
            "port": port,
            "monitoring_port": self._monitor.port,
            **{str(state): count for state, count in self._store.counts().items()},
        }
        _logger.info("listening", extra={"fields": fields})
        stop.wait()
        self._listening = False
        self._scp.close()
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join(settings.service_seconds)
        self._monitor.close()
        self._store.close()
        _logger.info("stopped")

    def _wake(self, state: State) -> None:
        for worker in self._woken.get(state, ()):
            worker.wake()

    def _is_ready(self) -> bool:
        return self._listening and all(worker.is_alive() for worker in self._workers)

    def _clear_up(self) -> bool:
        now = time.time()
        self._outbox.clear_up(now)
        self._commitments.report_due(now)
        if self._webhook:
            self._webhook.tell_due(now)
        return False


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
