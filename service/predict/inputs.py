"""Which images the words of a command line name."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from service.imaging.decode import recognise

STDIN = "-"
# how many first bytes tell what a file is
_SNIFFED = 512


@dataclass(frozen=True)
class Job:
    """One image to answer for.

    Attributes:
        file: what it is called in the output.
        drawing: name of the file for its evidence, unique among all jobs.
    """

    file: str
    drawing: str


def find_jobs(words: Iterable[str]) -> Iterator[Job]:
    """All images, one after the other, so that the first is answered before the last is found.

    Args:
        words: files, which are taken as they are; folders, of which every file that looks like an
            image is taken, by name, but hidden ones; patterns that the shell has not expanded;
            ``-`` for an image on standard input.
    """
    taken = set[str]()
    for file, below in _find(words):
        stem = below.replace(os.sep, "_")
        names = (f"{stem}{suffix}.png" for suffix in chain([""], (f"-{n}" for n in count(2))))
        drawing = next(name for name in names if name not in taken)
        taken.add(drawing)
        yield Job(file, drawing)


def _find(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Files, each with its path below the folder that was named."""
    for word in words:
        if word == STDIN:
            yield word, "stdin"
        elif os.path.isdir(word):  # noqa: PTH112 - a word may be no valid path
            yield from _in_folder(word, word)
        elif not os.path.lexists(word) and glob.has_magic(word):
            found = sorted(glob.glob(word, recursive=True))  # noqa: PTH207
            for name in found or [word]:
                if os.path.isdir(name):  # noqa: PTH112
                    yield from _in_folder(name, name)
                else:
                    yield name, Path(name).name
        else:
            yield word, Path(word).name


def _in_folder(folder: str, root: str) -> Iterator[tuple[str, str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder, Path(folder).name  # the answer says that it cannot be read
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _in_folder(entry.path, root)
        elif entry.is_file() and _looks_like_an_image(entry.path):
            yield entry.path, os.path.relpath(entry.path, root)


def _looks_like_an_image(file: str) -> bool:
    try:
        with open(file, "rb") as stream:  # noqa: PTH123
            return recognise(stream.read(_SNIFFED)) is not None
    except OSError:
        return True  # the answer says that it cannot be read
