"""The networks that can be trained, by name.

Every network takes float32 images ``[N, size, size, 1]`` with grey values 0..255 (scaling is its
first layer, so nothing outside the network has to know it) and gives logits ``[N, classes]``. It
ends in a layer named ``features`` (``[N, h, w, channels]``, the last map before pooling), a global
average and one linear layer named ``classifier``, so that the export can compute an exact evidence
map; a hidden dense layer would break that. :func:`has_evidence` tells.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import layers

from training.data import DataError

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
_MAP = 4  # dimensions of a map: images, rows, columns, channels
LITE0_BLOCKS = sum(stage[-1] for stage in LITE0_STAGES)


def cnn(size: int, classes: int, dropout: float = 0.3, weights: str = "random") -> keras.Model:
    """A plain network to train from scratch: five convolution and pooling steps.

    Small enough to understand at a glance.

    Raises:
        DataError: there are no pretrained weights for it.
    """
    if weights != "random":
        raise DataError("The network cnn has no pretrained weights; it starts at random.")
    image = layers.Input((size, size, 1), name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scaling")(image)
    for step, channels in enumerate((24, 32, 64, 96, 128), start=1):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv{step}")(x)
        x = layers.BatchNormalization(name=f"norm{step}")(x)
        x = layers.ReLU(name=f"relu{step}")(x)
        x = layers.MaxPooling2D(name=f"pool{step}")(x)
    return _with_classifier(image, x, classes, dropout, "cnn")


def efficientnet_lite0(
    size: int, classes: int, dropout: float = 0.2, weights: str = "imagenet"
) -> keras.Model:
    """EfficientNet-Lite0 for one grey channel; its ImageNet weights come with this package.

    The stem's three colour kernels are summed into one, which is exactly what the network would
    compute on a grey image repeated over three channels. Strided convolutions pad as TensorFlow's
    "same" does, as the weights were trained.

    Raises:
        DataError: ``weights`` is no file of such weights.
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
    model = _with_classifier(image, x, classes, dropout, "efficientnet_lite0")
    if weights != "random":
        _load_lite0_weights(model, IMAGENET_WEIGHTS if weights == "imagenet" else Path(weights))
    return model


@dataclass(frozen=True)
class _Published:
    """A network of ``keras.applications``, with what it wants of each colour of 0..255.

    Attributes:
        build: makes it.
        scale: float ``[3]``, by which each colour is multiplied.
        offset: float ``[3]``, then added.
    """

    build: Callable[..., keras.Model]
    scale: tuple[float, ...]
    offset: tuple[float, ...]


# torchvision's normalisation, and that of Caffe, whose first colour is blue
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_TORCH = tuple(1 / 255 / _DEVIATION), tuple(-_MEAN / _DEVIATION)
_CAFFE = (1.0, 1.0, 1.0), (-103.939, -116.779, -123.68)
_PUBLISHED = {
    "resnet50": _Published(keras.applications.ResNet50, *_CAFFE),
    "densenet121": _Published(keras.applications.DenseNet121, *_TORCH),
    "efficientnet_v2_b0": _Published(
        partial(keras.applications.EfficientNetV2B0, include_preprocessing=False), *_TORCH
    ),
}


def published(
    name: str, size: int, classes: int, dropout: float = 0.2, weights: str = "imagenet"
) -> keras.Model:
    """A network of ``keras.applications`` that sees the grey image in all three colours.

    Raises:
        DataError: the ImageNet weights could not be downloaded, or ``weights`` is no file of
            weights of this network without its last layers.
    """
    one = _PUBLISHED[name]
    # first, so that what is wrong with them is told at once
    start = None if weights == "random" else _published_weights(name, weights)
    image = layers.Input((size, size, 1), name="image")
    colours = layers.Concatenate(name="colours")([image, image, image])
    scaled = layers.Rescaling(list(one.scale), list(one.offset), name="scaling")(colours)
    body = one.build(include_top=False, weights=None, input_tensor=scaled)
    if start is not None:
        body.set_weights(start)
    return _with_classifier(image, body.output, classes, dropout, name)


def _published_weights(name: str, weights: str) -> list[np.ndarray]:
    source = None if weights != "imagenet" else weights
    try:
        model = _PUBLISHED[name].build(
            include_top=False, weights=source, input_shape=(_ANY_SIZE, _ANY_SIZE, 3)
        )
        if source is None:
            model.load_weights(weights)
    except Exception as error:
        # Keras raises plain Exceptions where a download fails, and any where a file does not fit
        if source is None:
            raise DataError(
                f"{weights} holds no weights of {name} without its last layers, as "
                f"keras.applications publishes them: {str(error).splitlines()[0]}"
            ) from error
        if isinstance(error.__context__, OSError):
            raise DataError(
                f"The ImageNet weights of {name} could not be downloaded ({error.__context__}). "
                "Download them elsewhere and give the file with --weights PATH, or take --weights "
                "random or another --arch: the weights of efficientnet_lite0 are here."
            ) from error
        raise
    found: list[np.ndarray] = model.get_weights()
    return found


_ANY_SIZE = 64  # the weights are the same for all

ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    "cnn": cnn,
    "efficientnet_lite0": efficientnet_lite0,
    **{name: partial(published, name) for name in _PUBLISHED},
}


def resized(model: keras.Model, size: int, dropout: float = 0.0) -> keras.Model:
    """The same network with the same weights for images of another size.

    Args:
        model: made by one of ``ARCHITECTURES``, whose name it bears.
        size: rows and columns of its images.
        dropout: of the new one; it has no weights, and only training uses it.
    """
    fresh = ARCHITECTURES[model.name](size, model.output_shape[-1], dropout, "random")
    fresh.set_weights(model.get_weights())
    return fresh


def freeze(model: keras.Model, share: float) -> None:
    """Freeze the first layers of a network and unfreeze all others.

    Args:
        model: one of ``ARCHITECTURES``.
        share: of the layers with weights before the classifier, 0..1. 0 trains everything, 1
            leaves only the classifier. Frozen batch normalisations keep their statistics.
    """
    with_weights = [layer for layer in model.layers if layer.weights][:-1]
    frozen = {layer.name for layer in with_weights[: round(share * len(with_weights))]}
    for layer in model.layers:
        layer.trainable = layer.name not in frozen


def stages(model: keras.Model) -> tuple[str, ...]:
    """The last layer at each resolution of a network, from fine to coarse, then ``features``."""
    last: dict[int, str] = {}
    for layer in model.layers:
        if layer.weights and len(layer.output.shape) == _MAP:
            last[int(layer.output.shape[1])] = layer.name
    *earlier, _ = last.values()
    return (*earlier, "features")


def multiply_adds(model: keras.Model) -> int:
    """How often an image makes a network multiply and add, in convolutions and dense layers."""
    count = 0
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            places = layer.output.shape[1:-1] if len(layer.output.shape) == _MAP else ()
            count += math.prod(places) * math.prod(kernel.shape)
    return count


def has_evidence(model: keras.Model) -> bool:
    """True when the logits are the spatial mean of a linear map of ``features``, plus a bias."""
    return any(layer.name == "features" for layer in model.layers)


def _with_classifier(
    image: keras.KerasTensor, x: keras.KerasTensor, classes: int, dropout: float, name: str
) -> keras.Model:
    x = layers.Activation("linear", name="features")(x)
    x = layers.GlobalAveragePooling2D(name="pooling")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(image, layers.Dense(classes, name="classifier")(x), name=name)


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


def _load_lite0_weights(model: keras.Model, file: Path) -> None:
    try:
        with np.load(file) as published:
            for ours, theirs in _imagenet_names():
                model.get_layer(ours).set_weights(_converted(ours, theirs, published))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{file} holds no weights of efficientnet_lite0: {error}. It must be an .npz file with "
            f"the names and shapes of {IMAGENET_WEIGHTS.name}."
        ) from error


def _converted(ours: str, theirs: str, published: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    if ours.endswith("_norm"):
        parts = ("weight", "bias", "running_mean", "running_var")
        return [published[f"{theirs}.{part}"] for part in parts]
    kernel = published[f"{theirs}.weight"].astype(np.float32)  # out, in, height, width
    if ours == "stem_conv":
        kernel = kernel.sum(axis=1, keepdims=True)
    # Keras wants height, width, in, out; a depthwise kernel is (channels, 1, h, w) there
    axes = (2, 3, 0, 1) if "depthwise" in ours else (2, 3, 1, 0)
    return [kernel.transpose(axes)]
