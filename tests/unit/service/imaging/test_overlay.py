"""The evidence map over the image."""

from io import BytesIO

import numpy as np
from PIL import Image

from service.imaging.overlay import evidence_layer, overlay


def test_half_the_evidence_veils_a_quarter_as_much() -> None:
    evidence = np.repeat(np.array([[0.0, 1.0, 2.0]], np.float32), 3, axis=0)
    layer = Image.open(BytesIO(evidence_layer((3, 3), evidence, 0.8)))
    opacity = np.asarray(layer)[1, :, 3] / 255
    np.testing.assert_allclose(opacity, [0, 0.2, 0.8], atol=0.005)


def test_negative_evidence_has_no_colour() -> None:
    layer = Image.open(BytesIO(evidence_layer((4, 4), -np.ones((2, 2), np.float32), 1)))
    assert not np.asarray(layer)[..., 3].any()


def test_the_image_with_its_evidence_is_the_layer_laid_over_the_image() -> None:
    generator = np.random.default_rng(0)
    image = Image.fromarray(generator.integers(0, 256, (300, 200), np.uint8))  # several bands
    evidence = generator.normal(size=(5, 5)).astype(np.float32)
    layer = Image.open(BytesIO(evidence_layer(image.size, evidence, 0.7)))
    laid = Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
    drawn = Image.open(BytesIO(overlay(image, evidence, 0.7)))
    assert drawn.mode == "RGB"
    assert np.abs(np.asarray(drawn, int) - np.asarray(laid, int)).max() <= 1  # rounding


def test_evidence_lies_where_the_model_saw_something() -> None:
    evidence = np.ones((2, 2), np.float32)
    layer = Image.open(BytesIO(evidence_layer((40, 20), evidence, 1, (0.25, 0.0, 0.75, 0.5))))
    opacity = np.array(layer)[..., 3]
    assert opacity[:10, 10:30].all()
    opacity[:10, 10:30] = 0
    assert not opacity.any()
