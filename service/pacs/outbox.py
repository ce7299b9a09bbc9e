"""Answered images become stored ones: their results are sent. Stored ones become done."""

import logging
import time

from service.pacs.destinations import Destination, Send
from service.pacs.errors import Failed, Unavailable
from service.pacs.monitoring import Metrics
from service.pacs.results import make_results
from service.pacs.settings import PacsSettings
from service.pacs.spool import Spool
from service.pacs.store import Row, Store
from service.pacs.worker import put_off

_logger = logging.getLogger("service.pacs")

_AT_ONCE = 16
_DAY = 86400.0


class Outbox:
    """Sends results, and clears up behind them.

    Args:
        settings: of the node.
        store: the states of the images.
        spool: their files.
        destination: takes the results.
        metrics: counts.
    """

    def __init__(
        self,
        settings: PacsSettings,
        store: Store,
        spool: Spool,
        destination: Destination,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._store = store
        self._spool = spool
        self._destination = destination
        self._metrics = metrics

    def send_due(self) -> bool:
        """Send the results of those that wait longest; whether there were any.

        Raises:
            Unavailable: the destination takes nothing now.
        """
        rows = self._store.due("answered", _AT_ONCE, time.time())
        if not rows:
            return False
        try:
            with self._destination.open() as send:
                for row in rows:
                    self._send(row, send)
        except Unavailable:
            self._metrics.sent.labels("unavailable").inc()
            raise
        return True

    def _send(self, row: Row, send: Send) -> None:
        try:
            if row.file is None:
                raise Failed("The file of the image is gone.")
            for result in make_results(row, self._spool.path(row.file)):
                send(result)
        except Failed as error:
            self._metrics.sent.labels("failed").inc()
            put_off(self._store, row, error, self._settings)
            return
        # a refusal whose report was sent is over as one
        refused = row.reason is not None and row.overlay is None and _is_refusal(row)
        self._store.move(row, "refused" if refused else "stored")
        self._metrics.sent.labels("stored").inc()
        _logger.info("stored", extra={"fields": {"image": row.id}})

    def finish_stored(self) -> bool:
        """Delete the images whose results are stored; whether there were any."""
        rows = self._store.rows("state = 'stored'", limit=_AT_ONCE)
        for row in rows:
            keep = self._settings.keep_image_days > 0
            if row.file and not keep:
                self._spool.remove(row.file)
            self._store.move(row, "done", overlay=None, file=row.file if keep else None)
            _logger.info("done", extra={"fields": {"image": row.id}})
        return bool(rows)

    def clear_up(self, now: float) -> None:
        """Delete what has been kept for long enough."""
        settings = self._settings
        self._spool.remove_orphans(self._store.files, now)
        for row in self._store.rows(
            "state IN ('done', 'refused') AND file NOT NULL AND over_at <= ?",
            (now - settings.keep_image_days * _DAY,),
            limit=_AT_ONCE,
        ):
            assert row.file
            self._spool.remove(row.file)
            self._store.move(row, row.state, file=None)
        for row in self._store.rows(
            "state IN ('done', 'refused', 'dead', 'conflict') AND over_at <= ?",
            (now - settings.keep_days * _DAY,),
            limit=_AT_ONCE,
        ):
            if row.file:
                self._spool.remove(row.file)
            self._store.delete(row)


def _is_refusal(row: Row) -> bool:
    return row.answer is not None and '"decision"' not in row.answer
