"""The networks that can be trained, by name.

Every network takes float32 images ``[N, size, size, 1]`` with grey values 0..255 (scaling is its
first layer, so nothing outside the network has to know it) and gives logits ``[N, classes]``. Where
it ends in a layer named ``features`` (``[N, h, w, channels]``, the last map before pooling), a
global average and one linear layer named ``classifier``, the export can compute an exact evidence
map; a hidden dense layer breaks that. :func:`has_evidence` tells.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
from keras import layers

IMAGENET_WEIGHTS = Path(__file__).parent / "weights" / "efficientnet_lite0_imagenet.npz"

# expansion, channels, kernel, stride, repeats: EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946)
# without squeeze-and-excitation, with ReLU6 and a fixed stem and head ("Lite", Google 2020)
LITE0_STAGES = (
    (1, 16, 3, 1, 1),
    (6, 24, 3, 2, 2),
    (6, 40, 5, 2, 2),
    (6, 80, 3, 2, 3),
    (6, 112, 5, 1, 3),
    (6, 192, 5, 2, 4),
    (6, 320, 3, 1, 1),
)
LITE0_BLOCKS = sum(stage[-1] for stage in LITE0_STAGES)


def cnn(size: int, classes: int, dropout: float = 0.3) -> keras.Model:
    """A plain network to train from scratch: five convolution and pooling steps, two dense layers.

    Small enough to understand at a glance; its hidden dense layer means it has no evidence map.
    """
    image = layers.Input((size, size, 1), name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scaling")(image)
    for step, channels in enumerate((24, 32, 64, 96, 128), start=1):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv{step}")(x)
        x = layers.BatchNormalization(name=f"norm{step}")(x)
        x = layers.ReLU(name=f"relu{step}")(x)
        x = layers.MaxPooling2D(name=f"pool{step}")(x)
    x = layers.GlobalAveragePooling2D(name="pooling")(x)
    x = layers.Dropout(dropout, name="dropout1")(x)
    x = layers.Dense(64, activation="relu", name="hidden")(x)
    x = layers.Dropout(dropout, name="dropout2")(x)
    return keras.Model(image, layers.Dense(classes, name="classifier")(x), name="cnn")


def efficientnet_lite0(size: int, classes: int, dropout: float = 0.2) -> keras.Model:
    """EfficientNet-Lite0 for one grey channel, started from its ImageNet weights.

    The stem's three colour kernels are summed into one, which is exactly what the network would
    compute on a grey image repeated over three channels. Strided convolutions pad as TensorFlow's
    "same" does, as the weights were trained.
    """
    image = layers.Input((size, size, 1), name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scaling")(image)
    x = _convolution(x, 32, 3, 2, "stem")
    block = 0
    for expansion, channels, kernel, stride, repeats in LITE0_STAGES:
        for repeat in range(repeats):
            x = _inverted_bottleneck(
                x, expansion, channels, kernel, stride if repeat == 0 else 1, f"block{block}"
            )
            block += 1
    x = _convolution(x, 1280, 1, 1, "head")
    x = layers.Activation("linear", name="features")(x)
    x = layers.GlobalAveragePooling2D(name="pooling")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    model = keras.Model(
        image, layers.Dense(classes, name="classifier")(x), name="efficientnet_lite0"
    )
    _load_imagenet_weights(model)
    return model


ARCHITECTURES: dict[str, Callable[[int, int, float], keras.Model]] = {
    "cnn": cnn,
    "efficientnet_lite0": efficientnet_lite0,
}


def resized(model: keras.Model, size: int, dropout: float = 0.0) -> keras.Model:
    """The same network with the same weights for images of another size.

    Args:
        model: made by one of ``ARCHITECTURES``, whose name it bears.
        size: rows and columns of its images.
        dropout: of the new one; it has no weights, and only training uses it.
    """
    fresh = ARCHITECTURES[model.name](size, model.output_shape[-1], dropout)
    fresh.set_weights(model.get_weights())
    return fresh


def freeze_blocks(model: keras.Model, blocks: int) -> None:
    """Freeze the stem and the first ``blocks`` inverted bottlenecks; unfreeze all other layers.

    ``blocks`` = 0 trains everything, ``LITE0_BLOCKS`` leaves only the head. Frozen batch
    normalisations keep their ImageNet statistics. Networks without blocks train whole.
    """
    frozen = {"stem", *(f"block{number}" for number in range(blocks))} if blocks else set()
    for layer in model.layers:
        layer.trainable = layer.name.split("_")[0] not in frozen


def has_evidence(model: keras.Model) -> bool:
    """True when the logits are the spatial mean of a linear map of ``features``, plus a bias."""
    return any(layer.name == "features" for layer in model.layers)


def _convolution(
    x: keras.KerasTensor, channels: int, kernel: int, stride: int, name: str, relu: bool = True
) -> keras.KerasTensor:
    x = layers.Conv2D(
        channels, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def _inverted_bottleneck(
    x: keras.KerasTensor, expansion: int, channels: int, kernel: int, stride: int, name: str
) -> keras.KerasTensor:
    shortcut = x
    if expansion > 1:
        x = _convolution(x, int(x.shape[-1]) * expansion, 1, 1, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_depthwise_norm")(x)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = _convolution(x, channels, 1, 1, f"{name}_project", relu=False)
    if stride == 1 and shortcut.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def _imagenet_names() -> Iterator[tuple[str, str]]:
    """Pairs of (our layer, the layer's name in the published weights)."""
    yield "stem_conv", "_conv_stem"
    yield "stem_norm", "_bn0"
    for block in range(LITE0_BLOCKS):
        theirs = f"_blocks.{block}."
        if block:
            yield f"block{block}_expand_conv", f"{theirs}_expand_conv"
            yield f"block{block}_expand_norm", f"{theirs}_bn0"
        yield f"block{block}_depthwise_conv", f"{theirs}_depthwise_conv"
        yield f"block{block}_depthwise_norm", f"{theirs}_bn1"
        yield f"block{block}_project_conv", f"{theirs}_project_conv"
        yield f"block{block}_project_norm", f"{theirs}_bn2"
    yield "head_conv", "_conv_head"
    yield "head_norm", "_bn1"


def _load_imagenet_weights(model: keras.Model) -> None:
    with np.load(IMAGENET_WEIGHTS) as published:
        for ours, theirs in _imagenet_names():
            layer = model.get_layer(ours)
            if ours.endswith("_norm"):
                parts = ("weight", "bias", "running_mean", "running_var")
                layer.set_weights([published[f"{theirs}.{part}"] for part in parts])
                continue
            kernel = published[f"{theirs}.weight"].astype(np.float32)  # out, in, height, width
            if ours == "stem_conv":
                kernel = kernel.sum(axis=1, keepdims=True)
            # Keras wants height, width, in, out; a depthwise kernel is (channels, 1, h, w) there
            axes = (2, 3, 0, 1) if "depthwise" in ours else (2, 3, 1, 0)
            layer.set_weights([kernel.transpose(axes)])
