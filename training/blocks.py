"""Patients held out by the number they were given, in contiguous blocks.

Numbers follow time, so images made at one time on one device lie together, and a block that is held
out is further from the training images than patients drawn at random.
"""

import re

import numpy as np
from numpy.typing import NDArray

from training.configuration import BLOCKS
from training.data import DataError, Dataset, Sample

_NUMBER = re.compile(r"(?:person|IM-|^)(\d+)")


def blocks(data: Dataset, count: int = BLOCKS) -> NDArray[np.int64]:
    """The block of each image, int ``[N]``, 0..count-1.

    In each series (source, label and what stands before the number) the patients are put in order
    of their number and cut where the running count of images passes a further part of the whole.
    Patients who share an exact copy of an image go together.
    """
    first = {int(group): row for row, group in reversed(list(enumerate(data.groups)))}
    leaders = [_place(data.samples[first[int(group)]]) for group in data.groups]
    found = np.empty(len(data), np.int64)
    for series in {place[0] for place in leaders}:
        rows = np.array([row for row, place in enumerate(leaders) if place[0] == series])
        numbers = np.array([leaders[row][1] for row in rows])
        rows = rows[np.lexsort((data.groups[rows], numbers))]
        starts = np.flatnonzero(np.diff(data.groups[rows], prepend=-1))
        for patient in np.split(np.arange(len(rows)), starts[1:]):
            found[rows[patient]] = int(count * (patient.mean() + 0.5) / len(rows))
    return found


def split_by_block(data: Dataset, block: int) -> tuple[Dataset, Dataset]:
    """Hold out one block: the images to train on, and those of the block.

    Raises:
        DataError: there is no such block, or the patients have no numbers.
    """
    if not 0 <= block < BLOCKS:
        raise DataError(f"--block must lie from 0 to {BLOCKS - 1}.")
    held_out = blocks(data) == block
    if held_out.all() or not held_out.any():
        raise DataError(
            "The names of the patients hold no numbers to divide them by; use --fold, not --block."
        )
    return data.take(np.flatnonzero(~held_out)), data.take(np.flatnonzero(held_out))


def _place(sample: Sample) -> tuple[str, int]:
    """The series of a patient, and the number in it; 0 where the file bears none."""
    name = sample.patient.removeprefix(f"{sample.source}/")
    match = _NUMBER.search(name)
    series = f"{sample.source} {sample.label} {_NUMBER.sub('', name)}"
    return series, int(match.group(1)) if match else 0
