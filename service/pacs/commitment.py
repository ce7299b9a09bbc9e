"""Storage commitment, push model (PS3.4 annex J): the node says which images it has kept.

It says so of images that wait on its disk and of those that were judged, but not of those that it
refused unseen, of which it has kept nothing. It is no archive: images are deleted when they are
done.
"""

import json
import threading
import time

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role
from pynetdicom.association import Association
from pynetdicom.sop_class import StorageCommitmentPushModelInstance

from service.pacs.backoff import wait_before
from service.pacs.errors import NotUnderstood
from service.pacs.settings import PacsSettings
from service.pacs.store import Store

# PS3.4 table J.3; the library makes this name when it is asked for, so that its type is unknown
StorageCommitmentPushModel = UID("1.2.840.10008.1.20.1")
ALL_KEPT, SOME_NOT = 1, 2
NO_SUCH_INSTANCE, CLASS_CONFLICT = 0x0112, 0x0119
_MOST_INSTANCES = 10_000
# a device that has gone by then will ask again
_TRIES = 20


class Commitments:
    """Requests for commitment, written down until they are reported on.

    Args:
        settings: of the node.
        store: has the images, and keeps the requests.
    """

    def __init__(self, settings: PacsSettings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def ask(self, information: Dataset, association: Association) -> None:
        """Keep a request.

        Raises:
            NotUnderstood: it names no transaction or no instances, or too many.
        """
        try:
            transaction = str(information.TransactionUID)
            referenced = [
                [str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)]
                for item in information.ReferencedSOPSequence
            ]
        except Exception as error:
            raise NotUnderstood("The request names no transaction or no instances.") from error
        if not 0 < len(referenced) <= _MOST_INSTANCES:
            raise NotUnderstood("The request names no instances, or too many.")
        aet = str(association.requestor.ae_title)
        with self._store.changing() as connection:
            connection.execute(
                "INSERT INTO commitments (transaction_uid, aet, referenced) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET referenced = excluded.referenced",
                (transaction, aet, json.dumps(referenced)),
            )
        if self._settings.commitment_address(aet) is None:
            thread = threading.Thread(
                target=self._report_back, args=(association, transaction, aet), daemon=True
            )
            thread.start()

    def report_due(self, now: float) -> None:
        """Report on what is due, each to its peer's own address."""
        query = "SELECT * FROM commitments WHERE next_at <= ? LIMIT 32"
        for row in self._store.ask(query, (now,)):
            address = self._settings.commitment_address(row["aet"])
            sent = address is not None and self._report(row["aet"], address, row["transaction_uid"])
            if sent or row["tries"] + 1 >= _TRIES:
                self._forget(row["transaction_uid"], row["aet"])
                continue
            next_at = now + wait_before(row["tries"] + 1, self._settings)
            with self._store.changing() as connection:
                connection.execute(
                    "UPDATE commitments SET tries = tries + 1, next_at = ?"
                    " WHERE transaction_uid = ? AND aet = ?",
                    (next_at, row["transaction_uid"], row["aet"]),
                )

    def _report(self, aet: str, address: tuple[str, int], transaction: str) -> bool:
        entity = AE(self._settings.aet)
        entity.acse_timeout = entity.dimse_timeout = self._settings.network_seconds
        entity.network_timeout = self._settings.network_seconds
        entity.connection_timeout = self._settings.network_seconds
        syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        entity.add_requested_context(StorageCommitmentPushModel, syntaxes)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        association = entity.associate(*address, ae_title=aet, ext_neg=[role])
        if not association.is_established:
            return False
        try:
            return self._tell(association, transaction, aet)
        finally:
            association.release()

    def _report_back(self, association: Association, transaction: str, aet: str) -> None:
        """On the association that asked, once it has its answer."""
        time.sleep(0.5)
        if association.is_established and self._tell(association, transaction, aet):
            self._forget(transaction, aet)

    def _tell(self, association: Association, transaction: str, aet: str) -> bool:
        query = "SELECT referenced FROM commitments WHERE transaction_uid = ? AND aet = ?"
        [row] = self._store.ask(query, (transaction, aet))
        kept, not_kept = self._judge(json.loads(row["referenced"]))
        event = Dataset()
        event.TransactionUID = transaction
        if kept:
            event.ReferencedSOPSequence = kept
        if not_kept:
            event.FailedSOPSequence = not_kept
        try:
            status, _ = association.send_n_event_report(
                event,
                SOME_NOT if not_kept else ALL_KEPT,
                StorageCommitmentPushModel,
                StorageCommitmentPushModelInstance,
            )
        except (RuntimeError, ValueError):  # the association ended, or has no context for it
            return False
        return bool(status.get("Status") == 0)

    def _judge(self, referenced: list[list[str]]) -> tuple[list[Dataset], list[Dataset]]:
        kept, not_kept = [], []
        for sop_class, instance in referenced:
            item = Dataset()
            item.ReferencedSOPClassUID = sop_class
            item.ReferencedSOPInstanceUID = instance
            classes = {
                row["sop_class_uid"]
                for row in self._store.ask(
                    "SELECT sop_class_uid FROM images WHERE sop_instance_uid = ?"
                    " AND (file NOT NULL OR answer NOT NULL)",
                    (instance,),
                )
            }
            if sop_class in classes:
                kept.append(item)
            else:
                item.FailureReason = CLASS_CONFLICT if classes else NO_SUCH_INSTANCE
                not_kept.append(item)
        return kept, not_kept

    def _forget(self, transaction: str, aet: str) -> None:
        with self._store.changing() as connection:
            connection.execute(
                "DELETE FROM commitments WHERE transaction_uid = ? AND aet = ?", (transaction, aet)
            )
