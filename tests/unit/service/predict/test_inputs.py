"""Which files the words of a command line name."""

import os
from pathlib import Path

import pytest

from service.predict.inputs import find_jobs
from tests.dicom import file_bytes, radiograph, shadows
from tests.images import image_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, one of them DICOM without a suffix, among files that are none."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "chest.jpg").write_bytes(image_bytes())
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "IM0001").write_bytes(file_bytes(radiograph(shadows())))
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / "a" / "empty.jpg").write_bytes(b"")
    (tmp_path / ".hidden.jpg").write_bytes(image_bytes())
    return tmp_path


def files(*words: str | Path) -> list[str]:
    return [job.file for job in find_jobs([str(word) for word in words])]


def test_a_folder_gives_the_images_below_it_by_name(folder: Path) -> None:
    assert files(folder) == [str(folder / "a" / "IM0001"), str(folder / "b" / "chest.jpg")]


def test_a_file_that_is_named_is_taken_whatever_it_is(folder: Path) -> None:
    named = [folder / "a" / "notes.txt", folder / ".hidden.jpg", folder / "missing.png"]
    assert files(*named, "-") == [*map(str, named), "-"]


def test_patterns_that_the_shell_left_alone(folder: Path) -> None:
    assert files(folder / "**" / "*.jpg") == [
        str(folder / "a" / "empty.jpg"),
        str(folder / "b" / "chest.jpg"),
    ]
    assert files(folder / "[ab]") == files(folder)  # folders among what matches
    assert files(folder / "*.bmp") == [str(folder / "*.bmp")]  # the answer says that there is none
    (folder / "odd[1].jpg").write_bytes(image_bytes())
    assert files(folder / "odd[1].jpg") == [str(folder / "odd[1].jpg")]


def test_links_that_go_round_end(folder: Path) -> None:
    (folder / "a" / "round").symlink_to(folder)
    assert len(files(folder)) == 2


def test_drawings_never_share_a_name(folder: Path) -> None:
    words = [folder, folder / "b" / "chest.jpg", folder / "b" / "chest.jpg", "-"]
    drawings = [job.drawing for job in find_jobs(map(str, words))]
    assert drawings == [
        "a_IM0001.png",
        "b_chest.jpg.png",
        "chest.jpg.png",
        "chest.jpg-2.png",
        "stdin.png",
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_that_may_not_be_read_is_told_of(folder: Path) -> None:
    (folder / "a").chmod(0)
    assert files(folder / "a") == [str(folder / "a")]
    (folder / "a").chmod(0o700)
