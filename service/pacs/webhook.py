"""Telling another system of each finished study, signed, until it has heard."""

import hashlib
import hmac
import json
import logging
import time
from typing import Any

import httpx

from service.pacs.backoff import wait_before
from service.pacs.monitoring import Metrics
from service.pacs.settings import PacsSettings
from service.pacs.store import PENDING, Store

_logger = logging.getLogger("service.pacs")

SIGNATURE = "X-Pneumonia-Signature"
_TRIES = 50


class Webhook:
    """Tells of studies.

    Args:
        settings: of the node, with the URL and the secret.
        store: the states of the images, and what has been told.
        metrics: counts.
    """

    def __init__(self, settings: PacsSettings, store: Store, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._client = httpx.Client(timeout=10)

    def tell_due(self, now: float) -> None:
        """Tell of those studies that are finished and of which was not told yet."""
        for study in self._finished(now):
            told = self._tell(study["study_instance_uid"])
            self._metrics.told.labels("delivered" if told else "failed").inc()
            tries = study["tries"] + 1
            over = told or tries >= _TRIES
            if over and not told:
                [row, *_] = self._store.rows(
                    "study_instance_uid = ?", (study["study_instance_uid"],), limit=1
                )
                _logger.error("study not told", extra={"fields": {"image": row.id, "tries": tries}})
            with self._store.changing() as connection:
                connection.execute(
                    "UPDATE studies SET tries = ?, next_at = ?, told_at = ?"
                    " WHERE study_instance_uid = ?",
                    (
                        tries,
                        now + wait_before(tries, self._settings),
                        now if over else None,
                        study["study_instance_uid"],
                    ),
                )

    def _finished(self, now: float) -> list[Any]:
        return self._store.ask(
            "SELECT s.study_instance_uid, s.tries FROM studies s"
            " WHERE s.told_at IS NULL AND s.next_at <= ?"
            " AND EXISTS (SELECT 1 FROM images i"
            "   WHERE i.study_instance_uid = s.study_instance_uid)"
            " AND NOT EXISTS (SELECT 1 FROM images i"
            "   WHERE i.study_instance_uid = s.study_instance_uid"
            "   AND (i.state IN (?, ?, ?) OR i.received_at > ?)) LIMIT 32",
            (now, *PENDING, now - self._settings.study_quiet_seconds),
        )

    def _tell(self, study: str) -> bool:
        body = json.dumps(self.message(study)).encode()
        assert self._settings.webhook_secret
        secret = self._settings.webhook_secret.get_secret_value()
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: sign(body, secret, int(time.time())),
        }
        try:
            response = self._client.post(
                str(self._settings.webhook_url), content=body, headers=headers
            )
        except httpx.HTTPError:
            return False
        return response.is_success

    def message(self, study: str) -> dict[str, Any]:
        """What is told of a study: its images with their ends and decisions, no other tags."""
        images = []
        for row in self._store.rows("study_instance_uid = ?", (study,)):
            answer = json.loads(row.answer) if row.answer else {}
            images.append(
                {
                    "sop_instance_uid": row.sop_instance_uid,
                    "series_instance_uid": row.series_instance_uid,
                    "state": row.state,
                    "finding": answer.get("finding"),
                    "decision": answer.get("decision"),
                    "probability": answer.get("probability"),
                    "operating_point": row.operating_point,
                    "model_sha256": row.model_sha256,
                    "reason": row.reason,
                }
            )
        decisions = {image["decision"] for image in images}
        order = ("pneumonia", "uncertain", "normal")
        return {
            "study_instance_uid": study,
            "decision": next((name for name in order if name in decisions), None),
            "images": images,
        }


def sign(body: bytes, secret: str, at: int) -> str:
    """The signature of a message: when, and an HMAC-SHA256 of that and the body.

    Args:
        body: of the request.
        secret: that both sides know.
        at: seconds since 1970; a receiver refuses what is too old.
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
