"""Images that are no upright frontal chest X-ray."""

import numpy as np
import pytest

from tests.dataset import chest
from training.synthetic_ood import SYNTHETIC_OOD, SyntheticOod, make_synthetic_ood


@pytest.mark.parametrize("kind", SYNTHETIC_OOD, ids=lambda kind: kind.name)
def test_a_synthetic_ood_image_is_another_image_of_the_same_size(kind: SyntheticOod) -> None:
    generator = np.random.default_rng(0)
    chests = np.stack([np.asarray(chest(generator, 60, 224))[..., None] for _ in range(2)])
    made = make_synthetic_ood(kind, chests)
    assert made.shape == chests.shape
    assert made.dtype == np.uint8
    assert np.abs(made.astype(int) - chests).mean() > 5
    assert np.array_equal(made, make_synthetic_ood(kind, chests))
