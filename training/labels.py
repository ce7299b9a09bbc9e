"""Which labels a model tells apart, and which of them count as disease."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from service.errors import PneumoniaError
from service.inference.contract import Contract

# folders and lists that call the healthy like this need no --positive
NEGATIVE_NAMES = ("normal", "no finding", "negative", "healthy")
PNEUMONIA = "pneumonia"
# labels that are kinds of pneumonia: beside them, `pneumonia` is one of them, nobody knows which
PNEUMONIA_KINDS = ("bacterial", "viral", "fungal")
_MOST_JOINED = 3


class LabelError(PneumoniaError):
    """Labels that cannot be told apart by one model."""

    code = "labels"


@dataclass(frozen=True)
class LabelSet:
    """The labels of a model in the order of its outputs: those without disease come first.

    Attributes:
        names: all labels, in lower case.
        negatives: how many of them, from the start, do not count as disease.
        finding: what the others mean together. An image with this label instead of one of theirs
            has one of them, and nobody knows which.
    """

    names: tuple[str, ...]
    negatives: int = 1
    finding: str = PNEUMONIA

    @classmethod
    def of(
        cls,
        found: Collection[str],
        positive: Collection[str] = (),
        finding: str | None = None,
    ) -> Self:
        """The label set of images with these labels.

        Args:
            found: labels that images have, in lower case.
            positive: those that count as disease; empty for all but the one whose name says that
                there is none.
            finding: what those mean together. By default ``pneumonia`` where all of them are kinds
                of it, otherwise their names.

        Raises:
            LabelError: one label only, a label of ``positive`` that no image has, or nothing that
                says which labels mean disease.
        """
        names, wanted = _one_healthy(found), {normalised(name) for name in positive}
        kinds = (wanted - {PNEUMONIA} or names) - {*NEGATIVE_NAMES, PNEUMONIA}
        if finding is None and _are_kinds(kinds):
            finding = PNEUMONIA
            wanted -= {PNEUMONIA}
        parent = normalised(finding or "")
        below = (wanted or names - set(NEGATIVE_NAMES)) - {parent}
        if len(below) > 1:
            names, wanted = names - {parent}, wanted - {parent}
        if len(names) < 2:
            raise LabelError(
                f"All images have one label ({', '.join(names)}); a model needs at least two to "
                "tell apart."
            )
        unknown = wanted - names
        if unknown:
            raise LabelError(
                f"No image is labelled {_joined(unknown)}, which --positive names. The labels are "
                f"{', '.join(sorted(names))}."
            )
        healthy = names - wanted if wanted else names.intersection(NEGATIVE_NAMES)
        if not healthy and wanted:
            raise LabelError(
                f"--positive names all labels ({', '.join(sorted(names))}); leave out at least one "
                "that means no disease."
            )
        if not healthy:
            raise LabelError(
                f"Which of the labels {', '.join(sorted(names))} mean disease? Name them with "
                f"--positive; it may be left out where exactly one is called "
                f"{_joined(NEGATIVE_NAMES)}."
            )
        ill = names - healthy
        return cls(
            (*sorted(healthy), *sorted(ill)),
            len(healthy),
            finding or (_joined(ill) if len(ill) <= _MOST_JOINED else "disease"),
        )

    @classmethod
    def of_contract(cls, contract: Contract) -> Self:
        """The labels of a model file, in this order and not necessarily the file's."""
        positive = contract.pneumonia_labels
        negative = [label for label in contract.labels if label not in positive]
        return cls((*negative, *positive), len(negative), contract.finding)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def positive(self) -> tuple[str, ...]:
        """The labels that count as disease."""
        return self.names[self.negatives :]

    def column(self, label: str) -> int:
        """Which output a label is; -1 for the finding itself, whose label is unknown.

        Raises:
            LabelError: it is none of these.
        """
        name = normalised(label)
        if name in self.names:
            return self.names.index(name)
        if name == normalised(self.finding) or (name == PNEUMONIA and _are_kinds(self.positive)):
            return -1
        if name in PNEUMONIA_KINDS and PNEUMONIA in self.names:
            return self.names.index(PNEUMONIA)
        healthy = [one for one in self.names[: self.negatives] if one in NEGATIVE_NAMES]
        if name in NEGATIVE_NAMES and healthy:
            return self.names.index(healthy[0])
        raise LabelError(f"{label} is not one of the labels {', '.join(self.names)}.")

    def target(self, label: str) -> tuple[float, ...]:
        """One probability for each label; in equal parts where only the finding is known.

        Raises:
            LabelError: it is none of these labels.
        """
        column = self.column(label)
        if column >= 0:
            return tuple(float(number == column) for number in range(len(self)))
        share = 1 / len(self.positive)
        return (0.0,) * self.negatives + (share,) * len(self.positive)

    def probability(self, probabilities: NDArray[np.floating]) -> NDArray[Any]:
        """Of disease, ``[...]``, of probabilities or targets ``[..., C]``."""
        values: NDArray[Any] = 1 - probabilities[..., : self.negatives].sum(axis=-1)
        return values

    def is_positive(self, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether columns of :meth:`column` mean disease, bool of the same shape."""
        values: NDArray[np.bool_] = (columns < 0) | (columns >= self.negatives)
        return values


CHILDREN = LabelSet(("normal", "bacterial", "viral"))


def normalised(label: str) -> str:
    """A label as sets of labels have it: lower case, words parted by one space."""
    return " ".join(label.replace("_", " ").lower().split())


def _one_healthy(names: Collection[str]) -> set[str]:
    """The names with one for the healthy, whom two data sets may call by two names."""
    healthy = [name for name in NEGATIVE_NAMES if name in names]
    return set(names) - set(healthy[1:])


def _are_kinds(names: Collection[str]) -> bool:
    return len(names) > 1 and set(names) <= set(PNEUMONIA_KINDS)


def _joined(names: Collection[str]) -> str:
    return " or ".join(sorted(names))
