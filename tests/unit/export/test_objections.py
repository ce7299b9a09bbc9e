"""What speaks against making a model file of a run."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from export.objections import objections
from export.run import Run, RunError
from training.budgets import FEWEST_IMAGES as FEWEST
from training.validation import Validation

TARGETS = np.eye(3, dtype=np.float32)[np.arange(4 * FEWEST) % 3]


def _run(logits: np.ndarray, targets: np.ndarray = TARGETS) -> Run:
    """A run that left these logits of held-out images, ``[N, 3]``."""
    count = len(targets)
    validation = Validation(
        ("clean",),
        logits[np.newaxis].astype(np.float32),
        targets,
        np.arange(count),
        np.array(["here"] * count),
        np.zeros(count, bool),
        np.zeros((1, 8, 8, 1), np.uint8),
    )
    return cast("Run", SimpleNamespace(calibration=validation, source="here"))


def test_nothing_speaks_against_enough_images_that_are_told_apart() -> None:
    assert objections(_run(TARGETS)) == ()


def test_a_network_that_knows_nothing_is_objected_to() -> None:
    guesses = np.random.default_rng(0).normal(size=TARGETS.shape)
    (sentence,) = objections(_run(guesses))
    assert "includes 0.5: the network may know nothing" in sentence


def test_a_class_of_few_images_is_named() -> None:
    few = TARGETS[np.r_[: 3 * FEWEST - 3, 3 * FEWEST - 3 : 4 * FEWEST : 3]]
    found = objections(_run(few, few))
    assert [sentence.partition(";")[0] for sentence in found] == [
        f"Only {FEWEST - 1} held-out images are bacterial",
        f"Only {FEWEST - 1} held-out images are viral",
    ]


@pytest.mark.parametrize(
    ("logits", "targets", "says"),
    [
        (np.full_like(TARGETS, np.nan), TARGETS, "not finite"),
        (TARGETS, np.tile(TARGETS[0], (len(TARGETS), 1)), "All 120 held-out images of here are"),
    ],
)
def test_some_runs_make_no_file_at_all(logits: np.ndarray, targets: np.ndarray, says: str) -> None:
    with pytest.raises(RunError, match=says):
        objections(_run(logits, targets))
