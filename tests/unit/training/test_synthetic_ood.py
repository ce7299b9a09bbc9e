"""Synthetic out-of-distribution images."""

import numpy as np
import pytest

from tests.dataset import chest
from training.shifts import NamedChange, apply
from training.synthetic_ood import SYNTHETIC_OOD


@pytest.mark.parametrize("ood", SYNTHETIC_OOD, ids=lambda ood: ood.name)
def test_a_synthetic_ood_image_is_another_image_of_the_same_size(ood: NamedChange) -> None:
    generator = np.random.default_rng(0)
    chests = np.stack([np.asarray(chest(generator, 60, 224))[..., None] for _ in range(2)])
    made = apply(ood, chests)
    assert made.shape == chests.shape
    assert made.dtype == np.uint8
    assert np.abs(made.astype(int) - chests).mean() > 5
    assert np.array_equal(made, apply(ood, chests))
