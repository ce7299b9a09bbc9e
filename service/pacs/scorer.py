"""Received images become answered ones: the service is asked, and what it said is written down."""

import json
import logging
import sqlite3
import threading
import time
from dataclasses import replace

from service.pacs.errors import Failed, Unavailable
from service.pacs.monitoring import Metrics
from service.pacs.questions import Answer, Questions, ServedModel
from service.pacs.settings import PacsSettings
from service.pacs.spool import Spool
from service.pacs.store import Row, State, Store
from service.pacs.worker import put_off

_logger = logging.getLogger("service.pacs")

# a model is replaced by a restart of the service, which is noticed after so long
_MODEL_SECONDS = 10.0
# nobody waits for the second service's answer, so that it may not keep others waiting
_SHADOW_SECONDS = 10.0


class Scorer:
    """Asks the service about received images; several threads may step it.

    Args:
        settings: of the node.
        store: the states of the images.
        spool: their files.
        metrics: counts.
    """

    def __init__(
        self, settings: PacsSettings, store: Store, spool: Spool, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._store = store
        self._spool = spool
        self._metrics = metrics
        point, seconds = settings.operating_point, settings.service_seconds
        self._service = Questions(settings.service_url, settings.service_key, seconds, point)
        self._shadow = (
            Questions(
                settings.shadow_url, settings.shadow_key, min(seconds, _SHADOW_SECONDS), point
            )
            if settings.shadow_url
            else None
        )
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._model: ServedModel | None = None
        self._model_at = 0.0

    def step(self) -> bool:
        """Ask about the image that waits longest; whether there was one."""
        row = self._take()
        if row is None:
            return False
        try:
            self._score(row)
            return True
        except Unavailable:
            self._metrics.asked.labels("unavailable").inc()
            raise
        except Failed as error:
            self._metrics.asked.labels("failed").inc()
            put_off(self._store, row, error, self._settings)
            return True
        finally:
            with self._lock:
                self._taken.discard(row.id)

    def _take(self) -> Row | None:
        with self._lock:
            rows = self._store.due("received", len(self._taken) + 1, time.time())
            row = next((row for row in rows if row.id not in self._taken), None)
            if row is not None:
                self._taken.add(row.id)
            return row

    def _score(self, row: Row) -> None:
        if row.file is None or not self._spool.path(row.file).exists():
            raise Failed("The file of the image is gone.")
        model = self._current_model()
        if self._answered_before(row, model.sha256):
            # a study may be judged again right after the model has changed
            model = self._current_model(anew=True)
            if self._answered_before(row, model.sha256):
                self._drop(row)
                return
        image = self._spool.path(row.file).read_bytes()
        answer = self._service.ask(image, row.sop_instance_uid)
        if answer.model_sha256 not in (None, model.sha256):
            model = self._current_model(anew=True)
            if answer.model_sha256 != model.sha256:
                raise Failed("The service's model was replaced while it answered.")
        # what a decision of `pneumonia` means is not in the answer
        answer = replace(answer, content={**answer.content, "finding": model.finding})
        overlay = None if answer.refused else self._service.explain(image)
        state: State = "refused" if answer.refused else "stored"
        if self._is_to_be_sent(answer):
            state = "answered"
        try:
            self._store.move(
                row,
                state,
                model_sha256=model.sha256,
                answer=answer.text,
                overlay=overlay,
                answered_at=time.time(),
                reason=answer.content["code"] if answer.refused else None,
            )
        except sqlite3.IntegrityError:  # the model changed, and this one had answered before
            self._drop(row)
            return
        self._metrics.asked.labels("refused" if answer.refused else "answered").inc()
        _logger.info("asked", extra={"fields": {"image": row.id, "state": state}})
        if self._shadow:
            self._ask_shadow(self._shadow, row, image)

    def _is_to_be_sent(self, answer: Answer) -> bool:
        if answer.refused:
            return self._settings.send_refused
        return answer.content["decision"] != "uncertain" or self._settings.send_uncertain

    def _current_model(self, anew: bool = False) -> ServedModel:
        now = time.monotonic()
        if anew or self._model is None or now - self._model_at > _MODEL_SECONDS:
            self._model, self._model_at = self._service.model(), now
        return self._model

    def _answered_before(self, row: Row, model: str) -> bool:
        return bool(
            self._store.ask(
                "SELECT 1 FROM images WHERE sop_instance_uid = ? AND model_sha256 = ?"
                " AND operating_point = ? AND state != 'conflict'",
                (row.sop_instance_uid, model, row.operating_point),
            )
        )

    def _drop(self, row: Row) -> None:
        """Forget an image that came again after it had been answered."""
        self._store.delete(row)
        if row.file:
            self._spool.remove(row.file)
        self._metrics.asked.labels("duplicate").inc()

    def _ask_shadow(self, service: Questions, row: Row, image: bytes) -> None:
        """Write down what the second service says, or why it said nothing."""
        try:
            answer = service.ask(image, row.sop_instance_uid)
            result, text = "refused" if answer.refused else "answered", answer.text
        except (Unavailable, Failed) as error:
            result, text = "failed", json.dumps({"error": error.detail})
        with self._store.changing() as connection:
            connection.execute("UPDATE images SET shadow = ? WHERE id = ?", (text, row.id))
        self._metrics.shadow.labels(result).inc()
