"""Files are whole or not there."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import StartError
from service.pacs.errors import DiskFull
from service.pacs.spool import FolderLock, Spool
from tests.needs import root


def files(folder: Path) -> list[Path]:
    """All files in a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """As on a full disk: this process can write no file of more than 1,000 bytes.

    For a moment only, since pytest's own output may go to a larger file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "node")
    path = spool.path(spool.write(b"image"))
    assert path.read_bytes() == b"image"
    assert (tmp_path / "node").stat().st_mode & 0o077 == 0


def test_a_file_that_root_keeps_is_the_nodes(tmp_path: Path) -> None:
    root()
    spool = Spool(tmp_path)
    os.chown(tmp_path / "images", 10001, 10001)
    path = spool.path(spool.write(b"image"))
    assert (path.stat().st_uid, path.stat().st_gid) == (10001, 10001)


def test_of_a_file_without_room_nothing_is_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with small_files(), pytest.raises(DiskFull):
        spool.write(bytes(2000))
    assert files(tmp_path) == []


def test_room_is_left_on_the_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        Spool(tmp_path, min_free_bytes=2**60).write(b"image")


def test_only_old_files_that_nobody_needs_are_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    needed, orphan = spool.write(b"1"), spool.write(b"2")
    now = spool.path(orphan).stat().st_mtime
    assert spool.remove_orphans(lambda: {needed}, now + 500) == 0
    assert spool.remove_orphans(lambda: {needed}, now + 700) == 1
    assert files(tmp_path) == [spool.path(needed)]


def test_one_node_a_folder(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(StartError, match="another node"):
        FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()
