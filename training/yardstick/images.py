"""The images of the yardstick, and what is known of each."""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.imaging.radiograph import Pixels
from training.data import DataError, Dataset, Sample, find_samples, load
from training.labels import normalised
from training.shortcuts import Booleans, Integers, conflicting, cross_fitted, device_clusters
from training.shortcuts import features as anatomy_free_features

CHILDREN, ADULTS, SCREENING = "children", "adults", "screening"
GROWN_UP = 18  # years; NIH's set of adults has some that are younger


@dataclass(frozen=True)
class Images:
    """All images a network may be measured on, in one order.

    Attributes:
        names: ``source/file`` of each.
        paths: the files.
        pixels: uint8 ``[N, 224, 224, 1]``.
        part: ``[N]``, one of ``children``, ``adults`` and ``screening``.
        y_true: bool ``[N]``, pneumonia; in ``screening`` tuberculosis, which is not pneumonia.
        viral: bool ``[N]``, children with pneumonia that is viral.
        patients: int ``[N]``, equal for images of one patient.
        conflicting: bool ``[N]``, children whose device points to the other label.
        choosing: bool ``[N]``, whose patient belongs to the half that ranks candidates.
        cluster: int ``[N]``, stand-in for the device of a child's image; -1 for others.
        view: ``[N]``, ``AP`` or ``PA`` of adults of 18 and over; empty for others.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    pixels: Pixels
    part: NDArray[np.str_]
    y_true: Booleans
    viral: Booleans
    patients: Integers
    conflicting: Booleans
    choosing: Booleans
    cluster: Integers
    view: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sources(self) -> list[str]:
        """Name of the data set of each image."""
        return [name.partition("/")[0] for name in self.names]

    def rows(self, names: Iterable[str]) -> Booleans:
        """bool ``[N]``: which images are named.

        Raises:
            DataError: a name is none of these images.
        """
        wanted = set(names)
        unknown = wanted - set(self.names)
        if unknown:
            raise DataError(f"{min(unknown)} is not one of the yardstick's images.")
        return np.array([name in wanted for name in self.names])


def read(children: Path, adults: Path, adults_table: Path, screening: Path) -> Images:
    """Load the images and find the conflicting ones.

    Args:
        children: ``{train,val,test}/{NORMAL,PNEUMONIA}``; the part ``test`` is never read.
        adults: ``{NORMAL,PNEUMONIA}``.
        adults_table: CSV with ``file`` (``label/name``), ``age_years`` and ``view``.
        screening: ``NORMAL`` and one folder of another disease.

    Raises:
        DataError: a folder is no such data set, or an adult's image is not in the table.
    """
    young = load(find_samples(children), quiet=True)
    grown = load(find_samples(adults), quiet=True)
    healthy_or_not = load(_find_screening(screening), quiet=True)
    described = anatomy_free_features(young.images)
    probability, _ = cross_fitted(described, young.is_pneumonia, young.groups)
    parts = (young, grown, healthy_or_not)
    others = len(grown) + len(healthy_or_not)
    samples = [sample for part in parts for sample in part.samples]
    return Images(
        names=tuple(f"{sample.source}/{sample.path.name}" for sample in samples),
        paths=tuple(sample.path for sample in samples),
        pixels=np.concatenate([part.images for part in parts]),
        part=np.repeat([CHILDREN, ADULTS, SCREENING], [len(part) for part in parts]),
        y_true=np.concatenate([part.is_pneumonia for part in parts]),
        viral=np.pad(young.targets[:, 2] > 0.99, (0, others)),
        patients=_numbered_apart(parts),
        conflicting=np.pad(conflicting(probability, young.is_pneumonia), (0, others)),
        choosing=np.pad(_choosing(young), (0, others)),
        cluster=np.pad(device_clusters(described), (0, others), constant_values=-1),
        view=np.concatenate(
            [
                np.full(len(young), ""),
                _views(grown, adults_table),
                np.full(len(healthy_or_not), ""),
            ]
        ),
    )


def _find_screening(folder: Path) -> list[Sample]:
    if not (folder / "NORMAL").is_dir():
        raise DataError(f"{folder} is not a data set: it needs the folder NORMAL and another one.")
    samples = []
    for file in sorted(folder.glob("*/*")):
        label = normalised(file.parent.name)
        samples.append(Sample(file, label, f"{folder.name}/{file.stem}", folder.name))
    return samples


def _numbered_apart(parts: tuple[Dataset, ...]) -> Integers:
    numbers: list[Integers] = []
    first = 0
    for part in parts:
        numbers.append(part.groups + first)
        first += int(part.groups.max()) + 1
    return np.concatenate(numbers)


def _choosing(children: Dataset) -> Booleans:
    """Which half each patient belongs to: by a hash of the name, so that it never changes."""
    name_of: dict[int, str] = {}
    for sample, group in zip(children.samples, children.groups, strict=True):
        name_of[int(group)] = min(sample.patient, name_of.get(int(group), sample.patient))
    hashes = [hashlib.sha256(name_of[int(group)].encode()).digest() for group in children.groups]
    return np.array([one[0] % 2 == 0 for one in hashes])


def _views(adults: Dataset, table: Path) -> NDArray[np.str_]:
    with table.open(newline="") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    views = []
    for sample in adults.samples:
        row = rows.get(f"{sample.path.parent.name}/{sample.path.name}")
        if row is None:
            raise DataError(f"{table} says nothing of {sample.path.name}.")
        views.append(row["view"] if int(row["age_years"]) >= GROWN_UP else "")
    return np.array(views)
