"""Images on disk: written so that a loss of power after the return loses none of them."""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from service.errors import StartError
from service.pacs.errors import DiskFull

_ORPHAN_SECONDS = 600
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Spool:
    """A folder of whole files under names of its own.

    ``arriving`` holds what is being written, ``images`` what is whole; nothing a sender says gets
    into a name.

    Args:
        folder: made where it is missing, for this user alone.
        min_free_bytes: room that is left on its disk.
    """

    def __init__(self, folder: Path, min_free_bytes: int = 0) -> None:
        self._arriving = folder / "arriving"
        self._images = folder / "images"
        self._min_free_bytes = min_free_bytes
        for path in (folder, self._arriving, self._images):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, data: bytes | memoryview) -> str:
        """Keep a file.

        Returns:
            Its name, once it and its folder are on the disk.

        Raises:
            DiskFull: there is no room; nothing is left of it.
        """
        if self.free_bytes() < self._min_free_bytes + len(data):
            raise DiskFull("The disk has no room for another image.")
        name = f"{uuid.uuid4().hex}.dcm"
        part = self._arriving / name
        try:
            with part.open("xb") as file:
                if os.geteuid() == 0:  # of a command that root runs beside a node with its own user
                    owner = self._images.stat()
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.rename(self._images / name)
            sync_folder(self._images)
        except OSError as error:
            part.unlink(missing_ok=True)
            self.remove(name)
            if error.errno in _NO_ROOM:
                raise DiskFull("The disk has no room for another image.") from error
            raise
        return name

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self._images / name

    def remove(self, name: str) -> None:
        """Delete a file; it may be gone already."""
        (self._images / name).unlink(missing_ok=True)

    def remove_orphans(self, needed: Callable[[], set[str]], now: float) -> int:
        """Delete what a process was stopped over before it had written down that it keeps it.

        Args:
            needed: names of all files that are written down; asked after the folder was read.
            now: seconds since 1970; what is younger than ten minutes may still be written down.

        Returns:
            How many files that were.
        """
        old = [
            path
            for folder in (self._arriving, self._images)
            for path in folder.iterdir()
            if now - path.stat().st_mtime > _ORPHAN_SECONDS
        ]
        orphans = {path.name for path in old} - needed() if old else set()
        for path in old:
            if path.name in orphans:
                path.unlink(missing_ok=True)
        return len(orphans)

    def free_bytes(self) -> int:
        """Room on its disk."""
        return shutil.disk_usage(self._images).free


class FolderLock:
    """Keeps a second node out of a folder; the system lets go of it however the process ends.

    Raises:
        StartError: another node has it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = (folder / "lock").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StartError("another node works in this folder: stop it first") from None

    def release(self) -> None:
        """Let another node in."""
        self._file.close()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
