"""Images that are no upright frontal chest X-ray."""

import numpy as np
import pytest

from tests.dataset import chest
from training.impostors import IMPOSTORS, Impostor, make_impostors


@pytest.mark.parametrize("kind", IMPOSTORS, ids=lambda kind: kind.name)
def test_an_impostor_is_another_image_of_the_same_size(kind: Impostor) -> None:
    generator = np.random.default_rng(0)
    chests = np.stack([np.asarray(chest(generator, 60, 224))[..., None] for _ in range(2)])
    made = make_impostors(kind, chests)
    assert made.shape == chests.shape
    assert made.dtype == np.uint8
    assert np.abs(made.astype(int) - chests).mean() > 5
    assert np.array_equal(made, make_impostors(kind, chests))
