"""Tones of one image on the anatomy of another."""

import numpy as np
import tensorflow as tf

from training.tone import match_histograms, mix_tones, partners


def _images(count: int = 6, seed: int = 0) -> np.ndarray:
    """Smooth images in very different tones, float32 0..1."""
    generator = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, 64 * 64).reshape(1, 64, 64, 1)
    exponents = generator.uniform(0.3, 3, (count, 1, 1, 1))
    return (ramp**exponents).astype(np.float32)


def test_an_image_gets_the_tones_of_its_reference() -> None:
    images = _images()
    matched = match_histograms(images, images[::-1]).numpy()
    for one, reference in zip(matched, images[::-1], strict=True):
        assert np.allclose(
            np.quantile(one, [0.1, 0.5, 0.9]), np.quantile(reference, [0.1, 0.5, 0.9]), atol=0.02
        )


def test_the_order_of_grey_values_stays() -> None:
    images = np.random.default_rng(3).random((2, 32, 32, 1)).astype(np.float32)
    matched = match_histograms(images, _images(2)).numpy()
    for one, before in zip(matched, images, strict=True):
        assert (np.diff(one.ravel()[np.argsort(before.ravel())]) >= 0).all()


def test_an_image_that_refers_to_itself_stays() -> None:
    images = _images()
    assert np.abs(match_histograms(images, images).numpy() - images).max() < 1 / 100


def test_the_share_says_how_much() -> None:
    images = _images(3)
    mixed = mix_tones(images, images[::-1], tf.constant([0.0, 1.0, 0.5])).numpy()
    matched = match_histograms(images, images[::-1]).numpy()
    assert np.allclose(mixed[0], images[0])
    assert np.allclose(mixed[1], matched[1])
    assert np.allclose(mixed[2], (images[2] + matched[2]) / 2, atol=1e-6)


def test_everyone_gets_another_as_partner_and_each_serves_once() -> None:
    for seed in range(20):
        drawn = partners(tf.constant(7), tf.constant([seed, 0], tf.int64)).numpy()
        assert sorted(drawn) == list(range(7))
        assert (drawn != np.arange(7)).all()
