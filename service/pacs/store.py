"""The states of all images, in SQLite: what was acknowledged, how far it is, and why it waits."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from service.pacs.errors import DiskFull
from service.pacs.header import Header

State: TypeAlias = Literal["received", "answered", "stored", "done", "refused", "dead", "conflict"]
STATES: tuple[State, ...] = get_args(State)
PENDING: tuple[State, ...] = ("received", "answered", "stored")
OVER: tuple[State, ...] = ("done", "refused", "dead", "conflict")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS images (
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN
        ('received', 'answered', 'stored', 'done', 'refused', 'dead', 'conflict')),
    sop_instance_uid TEXT NOT NULL,
    study_instance_uid TEXT NOT NULL,
    series_instance_uid TEXT NOT NULL,
    sop_class_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    pixel_sha256 TEXT NOT NULL,
    file TEXT,
    sender TEXT NOT NULL,
    operating_point TEXT NOT NULL,
    model_sha256 TEXT,
    answer TEXT,
    overlay BLOB,
    shadow TEXT,
    received_at REAL NOT NULL,
    answered_at REAL,
    over_at REAL,
    failures INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0,
    reason TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS waiting ON images (sop_instance_uid) WHERE state = 'received';
CREATE UNIQUE INDEX IF NOT EXISTS answers
    ON images (sop_instance_uid, model_sha256, operating_point)
    WHERE model_sha256 IS NOT NULL AND state != 'conflict';
CREATE INDEX IF NOT EXISTS by_state ON images (state, next_at);
CREATE INDEX IF NOT EXISTS by_study ON images (study_instance_uid);
CREATE TABLE IF NOT EXISTS commitments (
    transaction_uid TEXT NOT NULL,
    aet TEXT NOT NULL,
    referenced TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (transaction_uid, aet)
);
CREATE TABLE IF NOT EXISTS studies (
    study_instance_uid TEXT PRIMARY KEY,
    told_at REAL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS troubles (worker TEXT PRIMARY KEY, since REAL NOT NULL, reason TEXT);
"""

# each change is synced; the journal stays small beside the images; what is deleted is overwritten
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=100",
    "journal_size_limit=1048576",
    "secure_delete=ON",
)


@dataclass(frozen=True)
class Row:
    """One image; times are seconds since 1970.

    Attributes:
        failures: how often something went wrong with this image in its present state.
        next_at: not to be tried before.
        reason: of the last failure, of a refusal, or of a conflict.
    """

    id: int
    state: State
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    pixel_sha256: str
    file: str | None
    sender: str
    operating_point: str
    model_sha256: str | None
    answer: str | None
    overlay: bytes | None
    shadow: str | None
    received_at: float
    answered_at: float | None
    over_at: float | None
    failures: int
    next_at: float
    reason: str | None


class Store:
    """One connection, used by one thread at a time; other processes may have theirs.

    Every change is a transaction that is on the disk when it returns.

    Attributes:
        changed: called with the new state of an image, after it is on the disk.

    Raises:
        DiskFull: by every change for which there is no room; nothing has changed.
    """

    def __init__(self, path: Path) -> None:
        self.changed: Callable[[State], object] = lambda _: None
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        for pragma in _PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")
        with self.changing():
            for statement in _SCHEMA.split(";"):
                self._connection.execute(statement)

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, which is undone where an error leaves the block."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                    raise DiskFull("The disk has no room for the state of an image.") from error
                raise

    def ask(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """All rows of a query that changes nothing."""
        with self._lock:
            return self._connection.execute(query, tuple(values)).fetchall()

    def rows(self, where: str, values: Sequence[object] = (), limit: int = -1) -> list[Row]:
        """Images, the longest received first."""
        query = f"SELECT * FROM images WHERE {where} ORDER BY id LIMIT ?"  # noqa: S608
        return [Row(**dict(found)) for found in self.ask(query, (*values, limit))]

    def row(self, number: int) -> Row:
        """One image.

        Raises:
            KeyError: there is none of that number.
        """
        found = self.rows("id = ?", (number,))
        if not found:
            raise KeyError(number)
        return found[0]

    def due(self, state: State, limit: int, now: float) -> list[Row]:
        """Images in a state whose time has come, the longest received first."""
        return self.rows("state = ? AND next_at <= ?", (state, now), limit)

    def files(self) -> set[str]:
        """Names of all files that some image needs."""
        return {row["file"] for row in self.ask("SELECT file FROM images WHERE file NOT NULL")}

    def insert(
        self,
        header: Header,
        state: State,
        file: str | None,
        sender: str,
        operating_point: str,
        reason: str | None = None,
    ) -> int:
        """A new image, in its first state.

        Returns:
            Its number.

        Raises:
            sqlite3.IntegrityError: the same instance waits already.
        """
        now = time.time()
        with self.changing() as connection:
            cursor = connection.execute(
                "INSERT INTO images (state, sop_instance_uid, study_instance_uid,"
                " series_instance_uid, sop_class_uid, transfer_syntax_uid, pixel_sha256, file,"
                " sender, operating_point, received_at, over_at, reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(state, header.instance, header.study, header.series, header.sop_class),
                    *(header.transfer_syntax, header.pixel_sha256, file, sender, operating_point),
                    *(now, now if state in OVER else None, reason),
                ),
            )
            connection.execute(
                "INSERT INTO studies (study_instance_uid) VALUES (?)"
                " ON CONFLICT DO UPDATE SET told_at = NULL, tries = 0, next_at = 0",
                (header.study,),
            )
        assert cursor.lastrowid is not None
        self.changed(state)
        return cursor.lastrowid

    def move(self, row: Row, state: State, **changes: Any) -> None:
        """The next state of an image.

        Args:
            row: the image as it was read.
            state: its new state; with the old one, failures go on being counted.
            changes: columns by name.

        Raises:
            KeyError: it is no longer in the state that was read.
            sqlite3.IntegrityError: the same instance was answered by this model and operating
                point before.
        """
        if state != row.state:
            changes = {"failures": 0, "next_at": 0, **changes}
            if state in OVER:
                changes = {"over_at": time.time(), **changes}
        columns = ", ".join(f"{name} = ?" for name in ("state", *changes))
        with self.changing() as connection:
            cursor = connection.execute(
                f"UPDATE images SET {columns} WHERE id = ? AND state = ?",  # noqa: S608
                (state, *changes.values(), row.id, row.state),
            )
            if cursor.rowcount != 1:
                raise KeyError(row.id)
        if state != row.state:
            self.changed(state)

    def delete(self, row: Row) -> None:
        """Forget an image."""
        with self.changing() as connection:
            connection.execute("DELETE FROM images WHERE id = ?", (row.id,))

    def set_trouble(self, worker: str, reason: str | None) -> None:
        """Why a worker waits; None where it no longer does."""
        with self.changing() as connection:
            if reason is None:
                connection.execute("DELETE FROM troubles WHERE worker = ?", (worker,))
                return
            connection.execute(
                "INSERT INTO troubles VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET reason = excluded.reason",
                (worker, time.time(), reason),
            )

    def counts(self) -> dict[State, int]:
        """How many images are in each state."""
        found = self.ask("SELECT state, count(*) AS n FROM images GROUP BY state")
        return dict.fromkeys(STATES, 0) | {row["state"]: row["n"] for row in found}

    def oldest_waiting(self) -> float | None:
        """When the image that waits longest was received; None where none waits."""
        query = "SELECT min(received_at) AS t FROM images WHERE state IN (?, ?, ?)"
        oldest: float | None = self.ask(query, PENDING)[0]["t"]
        return oldest
