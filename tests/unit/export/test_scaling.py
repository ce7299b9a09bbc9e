"""Three numbers between logits and probabilities."""

import numpy as np
from scipy.special import softmax

from export.scaling import Scaling

LOGITS = np.random.default_rng(0).normal(0, 3, (50, 3))


def test_without_numbers_of_its_own_it_is_the_softmax() -> None:
    assert np.allclose(Scaling().probabilities(LOGITS), softmax(LOGITS, axis=1))


def test_the_kinds_share_what_pneumonia_gets() -> None:
    scaling = Scaling(0.7, -0.5, 3.0)
    given = scaling.probabilities(LOGITS)
    assert np.allclose(given.sum(axis=1), 1)
    assert np.allclose(given[:, 1:].sum(axis=1), scaling.pneumonia(LOGITS))
    shares = given[:, 1:] / given[:, 1:].sum(axis=1, keepdims=True)
    assert np.allclose(shares, softmax(LOGITS[:, 1:] / 3, axis=1))


def test_logits_come_back_from_probabilities() -> None:
    scaling = Scaling(1.4, 0.8, 0.6)
    found = scaling.logits(scaling.probabilities(LOGITS))
    assert np.allclose(found, LOGITS - LOGITS[:, :1], atol=1e-4)
