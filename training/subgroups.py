"""Figures of an evaluation by source, sex and age."""

from dataclasses import dataclass

import numpy as np

from service.inference.operating_point import Rate
from training.evaluate import Answer, Evaluation
from training.metrics import measure_with_intervals

FEWEST = 10  # images of a group that has figures of its own
_RESAMPLES = 200
_AGES = ((0, 5), (6, 17), (18, 39), (40, 64), (65, 150))


@dataclass(frozen=True)
class Subgroup:
    """Images that have something in common.

    Attributes:
        by: what it is: ``source``, ``sex`` or ``age``.
        name: its value.
        images: how many were read.
        refused: how many of them were refused.
        figures: with their 95 % intervals; none where too few were answered.
    """

    by: str
    name: str
    images: int
    refused: int
    figures: dict[str, Rate]


def subgroups(evaluation: Evaluation) -> list[Subgroup]:
    """Every source, and sexes and ages where they are known of some images."""
    answered = np.array([answer.probabilities is not None for answer in evaluation.answers])
    places = np.cumsum(answered) - 1
    found = []
    for by, name_of in (("source", _source), ("sex", _sex), ("age", _age)):
        names = [name_of(answer) for answer in evaluation.answers]
        known = sorted({name for name in names if name is not None}, key=_order)
        for name in known:
            rows = np.array([one == name for one in names])
            scores = evaluation.scores.take(places[rows & answered])
            figures = (
                measure_with_intervals(scores, resamples=_RESAMPLES)
                if len(scores.truth) >= FEWEST
                else {}
            )
            refused = int((rows & ~answered).sum())
            found.append(Subgroup(by, name, int(rows.sum()), refused, figures))
    return found


def _source(answer: Answer) -> str | None:
    return answer.sample.source if answer.sample else None


def _sex(answer: Answer) -> str | None:
    return answer.sample.sex if answer.sample else None


def _age(answer: Answer) -> str | None:
    age = answer.sample.age if answer.sample else None
    if age is None:
        return None
    return next((f"{low} to {high}" for low, high in _AGES if low <= age <= high), None)


def _order(name: str) -> tuple[int, str]:
    first = name.split(" ")[0]
    return (int(first) if first.isdecimal() else 0, name)
