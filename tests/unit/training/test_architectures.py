"""The networks."""

import keras
import numpy as np
import pytest

from training.architectures import (
    ARCHITECTURES,
    IMAGENET_WEIGHTS,
    LITE0_BLOCKS,
    freeze_blocks,
    has_evidence,
)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_grey_images_to_logits(name: str) -> None:
    model = ARCHITECTURES[name](64, 3, 0.2)
    logits = np.asarray(model(np.full((2, 64, 64, 1), 127, np.float32), training=False))
    assert logits.shape == (2, 3)
    assert model.count_params() < 4_000_000


def test_only_a_network_without_a_hidden_dense_layer_has_evidence() -> None:
    assert has_evidence(ARCHITECTURES["efficientnet_lite0"](64, 3, 0.2))
    assert not has_evidence(ARCHITECTURES["cnn"](64, 3, 0.2))


def test_the_stem_gives_what_three_equal_colour_channels_would() -> None:
    model = ARCHITECTURES["efficientnet_lite0"](32, 3, 0.0)
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 1)).astype(np.float32)
    ours = keras.Model(model.input, model.get_layer("stem_conv").output)(image)
    with np.load(IMAGENET_WEIGHTS) as weights:
        kernel = weights["_conv_stem.weight"].astype(np.float32).transpose(2, 3, 1, 0)
    coloured = np.repeat((image - 127) / 128, 3, axis=-1)
    theirs = keras.ops.conv(coloured, kernel, strides=2, padding="same")
    assert np.allclose(ours, theirs, atol=1e-4)


def test_the_pretrained_features_are_not_those_of_random_weights() -> None:
    """Wrongly read weights would let the activations die out or explode on the way up."""
    model = ARCHITECTURES["efficientnet_lite0"](96, 3, 0.0)
    image = np.random.default_rng(0).uniform(0, 255, (4, 96, 96, 1)).astype(np.float32)
    pooled = np.asarray(keras.Model(model.input, model.get_layer("pooling").output)(image))
    assert 0.05 < pooled.mean() < 1
    assert pooled.std(axis=0).mean() > 0.01


def test_freezing_keeps_the_early_blocks_and_trains_the_rest() -> None:
    model = ARCHITECTURES["efficientnet_lite0"](32, 3, 0.2)
    freeze_blocks(model, 3)
    trainable = {layer.name for layer in model.layers if layer.trainable and layer.weights}
    assert not {"stem_conv", "block0_project_conv", "block2_expand_conv"} & trainable
    assert {"block3_expand_conv", "head_conv", "classifier"} <= trainable
    freeze_blocks(model, LITE0_BLOCKS)
    assert {v.path.split("/")[0] for v in model.trainable_variables} == {
        "head_conv",
        "head_norm",
        "classifier",
    }
    freeze_blocks(model, 0)
    assert all(layer.trainable for layer in model.layers)
