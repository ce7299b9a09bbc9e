"""What is in a data set: by class, part, source and patient; copies, and leaks between parts."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.data import Dataset
from training.duplicates import exact_copies, near_copies
from training.samples import PARTS, PatientFrom

Integers: TypeAlias = NDArray[np.int64]

_WHOSE: dict[PatientFrom, str] = {
    "list": "a list",
    "file name": "the file name",
    "DICOM header": "the DICOM header",
}


def describe(data: Dataset) -> list[str]:
    """What is in a data set, line by line.

    Args:
        data: all parts of it.
    """
    return [
        f"{len(data)} images of {len(np.unique(data.groups))} patients",
        *_classes(data),
        *_sources(data),
        *_patients(data),
        *_sizes(data),
        *_copies(data),
        f"fingerprint {data.fingerprint()}",
    ]


def _leaks(data: Dataset, exact: Integers, near: Integers) -> Iterator[str]:
    """What is in several parts of a divided data set at once."""
    parts = _parts(data)
    patients = np.unique([sample.patient for sample in data.samples], return_inverse=True)[1]
    for one, other in combinations([part for part in PARTS if part in parts], 2):
        here, there = parts == one, parts == other
        first, second = near.T
        pairs = (here[first] & there[second]) | (there[first] & here[second])
        counts = {
            "patients": _shared(patients, here, there),
            "images": _shared(exact, here, there),
            "pairs of nearly the same image": int(pairs.sum()),
        }
        yield from (f"{n} {what} in both {one} and {other}" for what, n in counts.items() if n)


def _shared(numbers: Integers, here: NDArray[np.bool_], there: NDArray[np.bool_]) -> int:
    return len(np.intersect1d(numbers[here], numbers[there]))


def _parts(data: Dataset) -> NDArray[np.str_]:
    return np.array([sample.part or "" for sample in data.samples])


def _classes(data: Dataset) -> Iterator[str]:
    """A table of labels and parts; then which labels count as disease."""
    labels, parts = data.labels, _parts(data)
    there = [part for part in PARTS if part in parts]
    rows = {label: data.targets[:, column] > 0.99 for column, label in enumerate(labels.names)}
    if not data.has_subtype.all():
        rows[f"{labels.finding} of unknown subtype"] = ~data.has_subtype
    width = max(map(len, rows))
    if there:
        yield f"  {'':{width}} {''.join(f'{part:>8}' for part in there)}     all"
    for label, found in rows.items():
        counts = [int((found & (parts == part)).sum()) for part in there]
        yield f"  {label:{width}} {''.join(f'{count:8}' for count in counts)}{int(found.sum()):8}"
    healthy = ", ".join(labels.names[: labels.negatives])
    yield f"disease ({labels.finding}): {', '.join(labels.positive)}; no disease: {healthy}"


def _sources(data: Dataset) -> Iterator[str]:
    counts = Counter(sample.source for sample in data.samples)
    yield "sources: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _patients(data: Dataset) -> Iterator[str]:
    counts = Counter(sample.patient_from for sample in data.samples)
    known = [f"{counts[how]} images by {what}" for how, what in _WHOSE.items() if counts[how]]
    if known:
        yield f"patients recognised: {', '.join(known)}"
    if counts["nothing"]:
        yield (
            f"patients unknown: {counts['nothing']} images, each taken for a patient of its own. "
            "Where several are of one person, say so in the column patient of a list."
        )
    ages = sorted(sample.age for sample in data.samples if sample.age is not None)
    if ages:
        yield f"ages: {ages[0]} to {ages[-1]} years, known of {len(ages)} images"


def _sizes(data: Dataset) -> Iterator[str]:
    sizes = [sample.size for sample in data.samples if sample.size]
    if not sizes:
        return
    by_area = sorted(sizes, key=lambda size: size[0] * size[1])
    shown = [by_area[place] for place in (0, len(by_area) // 2, -1)]
    small, middle, large = (f"{columns} x {rows}" for rows, columns in shown)
    yield f"size in pixels: {small} to {large}, {middle} in the middle"


def _copies(data: Dataset) -> Iterator[str]:
    exact = exact_copies(data.images)
    counts = np.bincount(exact)
    if counts.max() > 1:
        labels = data.targets.argmax(axis=1)
        several = np.flatnonzero(counts > 1)
        torn = sum(len(np.unique(labels[exact == number])) > 1 for number in several)
        line = f"copies: {int((counts[several] - 1).sum())} images are exact copies of others"
        yield line + (f"; {torn} of them with different labels" if torn else "")
    near = near_copies(data.images)
    if len(near):
        shown = " and ".join(data.samples[row].name for row in near[0])
        yield f"near copies: {len(near)} pairs show nearly the same image, such as {shown}"
    for line in _leaks(data, exact, near):
        yield f"leak: {line}"
