"""Where every image enters, from whom ever: looked at, kept, written down. Then it is ours."""

import sqlite3
from typing import Literal, TypeAlias

from service.pacs.finding import MANUFACTURER
from service.pacs.header import Header, read_header
from service.pacs.settings import PacsSettings
from service.pacs.spool import Spool
from service.pacs.store import PENDING, State, Store

# an image in one of these states is, or will be, answered itself
_ANSWERED: tuple[State, ...] = (*PENDING, "done")

Taken: TypeAlias = Literal["kept", "duplicate", "conflict", "refused"]


class Inbox:
    """Takes images.

    Args:
        settings: of the node.
        spool: for their files.
        store: for their states.
    """

    def __init__(self, settings: PacsSettings, spool: Spool, store: Store) -> None:
        self._settings = settings
        self._spool = spool
        self._store = store

    def take(self, data: bytes, instance: str, sop_class: str, sender: str) -> Taken:
        """Keep an image; after the return it is never lost.

        Args:
            data: a part-10 file.
            instance: SOP Instance UID that the sender announced.
            sop_class: UID of the SOP class that was announced.
            sender: application entity title.

        Returns:
            ``kept``: it will be judged. ``duplicate``: the same image is waiting. ``conflict``:
            another image came under the same UID before; this one is kept for a person.
            ``refused``: it is made from an image, or by this node, and not judged; nothing of it
            is kept.

        Raises:
            NotUnderstood: it is broken, or not what was announced.
            DiskFull: there is no room for it.
        """
        header = read_header(data)
        header.check(instance, sop_class)
        before = self._store.rows("sop_instance_uid = ?", (header.instance,))
        reason = self._reason_to_refuse(header, sender)
        if reason:
            if not any(row.state == "refused" for row in before):
                self._insert(header, "refused", None, sender, reason)
            return "refused"
        if not all(
            header.shows_the_same(row.pixel_sha256, row.transfer_syntax_uid)
            for row in before
            if row.state != "conflict"
        ):
            if header.pixel_sha256 not in {row.pixel_sha256 for row in before}:
                self._keep(data, header, "conflict", sender, "another image came under this UID")
            return "conflict"
        if any(row.state in PENDING for row in before):
            return "duplicate"
        try:
            self._keep(data, header, "received", sender)
        except sqlite3.IntegrityError:  # it came on another association at the same time
            return self.take(data, instance, sop_class, sender)
        return "kept"

    def _keep(
        self, data: bytes, header: Header, state: State, sender: str, reason: str | None = None
    ) -> None:
        name = self._spool.write(data)
        try:
            self._insert(header, state, name, sender, reason)
        except BaseException:
            self._spool.remove(name)
            raise

    def _insert(
        self, header: Header, state: State, file: str | None, sender: str, reason: str | None
    ) -> None:
        point = self._settings.operating_point
        self._store.insert(header, state, file, sender, point, reason)

    def _reason_to_refuse(self, header: Header, sender: str) -> str | None:
        if sender == self._settings.aet or header.manufacturer == MANUFACTURER:
            return "own: the image comes from this node"
        if header.is_secondary:
            return "secondary: the image was made after the examination"
        if header.is_derived and not self._settings.take_derived:
            return "derived: the image was made from another one"
        if header.is_derived and self._knows_one_of(header.sources):
            return "derived: the image was made from one that is answered itself"
        return None

    def _knows_one_of(self, instances: tuple[str, ...]) -> bool:
        return any(
            row.state in _ANSWERED
            for instance in instances
            for row in self._store.rows("sop_instance_uid = ?", (instance,))
        )
