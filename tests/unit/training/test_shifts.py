"""The named distribution shifts."""

import numpy as np
import pytest

from tests.dataset import chest
from training.shifts import SHIFTS, NamedChange, apply


def _images() -> np.ndarray:
    generator = np.random.default_rng(0)
    return np.stack([np.asarray(chest(generator, 60, 224))[..., None] for _ in range(2)])


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda shift: shift.name)
def test_a_shift_changes_the_image_and_keeps_its_form(shift: NamedChange) -> None:
    images = _images()
    changed = apply(shift, images)
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    assert np.abs(changed.astype(int) - images).mean() > 0.2
    assert np.array_equal(changed, apply(shift, images))


def test_names_are_distinct() -> None:
    assert len({shift.name for shift in SHIFTS}) == len(SHIFTS)
