"""The networks."""

from pathlib import Path
from urllib.error import URLError

import keras
import numpy as np
import pytest

from training.architectures import (
    ARCHITECTURES,
    IMAGENET_WEIGHTS,
    freeze,
    has_evidence,
    multiply_adds,
)
from training.data import DataError

# Keras makes arrays of tensors in a way that numpy 2 warns of
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("name", ["cnn", "efficientnet_lite0"])
def test_grey_images_to_logits(name: str) -> None:
    model = ARCHITECTURES[name](64, 3, 0.2)
    logits = np.asarray(model(np.full((2, 64, 64, 1), 127, np.float32), training=False))
    assert logits.shape == (2, 3)
    assert model.count_params() < 4_000_000


def test_a_hidden_dense_layer_would_be_noticed() -> None:
    model = ARCHITECTURES["cnn"](32, 3, 0.0)
    assert has_evidence(model)
    assert not has_evidence(keras.Model(model.input, keras.layers.Dense(3)(model.input)))


def test_the_published_networks_see_what_theirs_see() -> None:
    """A grey image in three equal colours, prepared as each was trained."""
    grey = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 1)).astype(np.float32)
    colours = np.repeat(grey, 3, axis=-1)
    applications = keras.applications
    for name, prepared in (
        ("resnet50", applications.resnet50.preprocess_input(colours.copy())),
        ("densenet121", applications.densenet.preprocess_input(colours.copy())),
    ):
        model = ARCHITECTURES[name](64, 3, 0.0, "random")
        scaled = keras.Model(model.input, model.get_layer("scaling").output)(grey)
        assert np.allclose(scaled, prepared, atol=1e-3), name


def test_weights_of_a_file_are_those_that_the_network_starts_with(tmp_path: Path) -> None:
    theirs = keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    file = tmp_path / "theirs.weights.h5"
    theirs.save_weights(file)
    ours = ARCHITECTURES["efficientnet_v2_b0"](32, 3, 0.0, str(file))
    pairs = zip(ours.get_weights(), theirs.get_weights(), strict=False)
    assert all(np.array_equal(one, other) for one, other in pairs)


def test_a_file_of_other_weights_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.weights.h5"
    ARCHITECTURES["cnn"](32, 3, 0.0).save_weights(file)
    with pytest.raises(DataError, match="holds no weights of resnet50 without its last layers"):
        ARCHITECTURES["resnet50"](32, 3, 0.0, str(file))
    (tmp_path / "wrong.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="holds no weights of efficientnet_lite0"):
        ARCHITECTURES["efficientnet_lite0"](32, 3, 0.0, str(tmp_path / "wrong.npz"))


def test_a_download_that_fails_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", offline)
    with pytest.raises(DataError, match=r"could not be downloaded .*no route.*--weights PATH"):
        ARCHITECTURES["efficientnet_v2_b0"](32, 3, 0.0)


def test_the_operations_of_a_network_are_counted() -> None:
    image = keras.layers.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(image)
    x = keras.layers.DepthwiseConv2D(3, 2, padding="same", use_bias=False)(x)
    x = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, x)
    assert multiply_adds(model) == 8 * 8 * 3 * 3 * 2 * 4 + 4 * 4 * 3 * 3 * 4 + 4 * 5


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


def test_freezing_keeps_the_early_layers_and_trains_the_rest() -> None:
    model = ARCHITECTURES["efficientnet_lite0"](32, 3, 0.2)
    freeze(model, 0.18)
    trainable = {layer.name for layer in model.layers if layer.trainable and layer.weights}
    assert not {"stem_conv", "block0_project_conv", "block2_expand_conv"} & trainable
    assert {"block3_expand_conv", "head_conv", "classifier"} <= trainable
    freeze(model, 1)
    assert {v.path.split("/")[0] for v in model.trainable_variables} == {"classifier"}
    freeze(model, 0)
    assert all(layer.trainable for layer in model.layers)
