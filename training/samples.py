"""Labelled image files, before any of them is opened."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from service.errors import PneumoniaError

PatientFrom: TypeAlias = Literal["list", "file name", "DICOM header", "nothing"]

# names of the parts of a data set, as folders and lists have them
_PARTS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
PARTS = tuple(_PARTS)
# the test part is left alone, and the published 16-image validation part is too small to be one
PARTS_TRAINED_ON = ("train", "val")


class DataError(PneumoniaError):
    """A folder without a usable data set, or one that cannot be trained or scored on."""

    code = "data"


@dataclass(frozen=True)
class Sample:
    """One image file and what is known of it.

    Attributes:
        path: the file.
        label: in lower case; what a :class:`~training.labels.LabelSet` knows.
        patient: unique over all sources.
        source: where the image comes from: the data set's name, or what its list says.
        part: ``train``, ``val`` or ``test``; None where the data set is not divided.
        age: of the patient, in years; None where nobody says.
        sex: ``F``, ``M`` or what else a list says; None where nobody says.
        patient_from: what told whose image it is; ``nothing`` makes it a patient of its own.
        file: its name within the source; empty for the file's own name.
        size: rows and columns of the image, once it was read.
        data_set: name of the data set it was found in; empty for the source's.
    """

    path: Path
    label: str
    patient: str
    source: str
    part: str | None = None
    age: int | None = None
    sex: str | None = None
    patient_from: PatientFrom = "file name"
    file: str = ""
    size: tuple[int, int] | None = None
    data_set: str = ""

    @property
    def root(self) -> str:
        """Name of the data set, of which the source may be a part."""
        return self.data_set or self.source

    @property
    def name(self) -> str:
        """Source and file name, as lists of images have them."""
        return f"{self.source}/{self.file or self.path.name}"


@dataclass(frozen=True)
class Listing:
    """What was found in one folder or list.

    Attributes:
        samples: by class, then by path.
        layout: what it was recognised as, in words.
        notes: what was left out, and why; a sentence each.
        positive: labels that count as disease by the layout's own definition; often empty.
    """

    samples: tuple[Sample, ...]
    layout: str
    notes: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that there are; empty for a data set that is not divided."""
        return tuple(part for part in PARTS if self.has_part(part))

    @property
    def is_divided(self) -> bool:
        """Whether it has parts."""
        return bool(self.parts)

    def has_part(self, part: str) -> bool:
        """Whether any image is in this part."""
        return any(sample.part == part for sample in self.samples)


def part_named(name: str) -> str | None:
    """``train``, ``val`` or ``test`` for the usual names of these; None for any other."""
    found = (part for part, names in _PARTS.items() if name.strip().lower() in names)
    return next(found, None)


def named_apart(samples: Iterable[Sample], folder: Path) -> tuple[Sample, ...]:
    """Samples of which no two have one name: where file names repeat, folders are part of it."""
    given = list(samples)
    counts = Counter(sample.name for sample in given)

    def apart(sample: Sample) -> Sample:
        path = sample.path
        inside = path.relative_to(folder) if path.is_relative_to(folder) else path
        return replace(sample, file=inside.as_posix())

    return tuple(apart(sample) if counts[sample.name] > 1 else sample for sample in given)
