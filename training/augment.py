"""Random variants of training images, drawn inside TensorFlow a batch at a time.

Strong random-resized-crops with changes of contrast, gamma and sharpness: what differs between
hospitals is the field of view, the exposure and the post-processing, and a network that saw only
one hospital's takes those for signs of disease.
"""

import math
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from PIL import Image

from service.imaging.radiograph import Pixels
from training.data import Dataset, Targets
from training.recipe import Augmentation, Balance
from training.tone import mix_tones, partners


def augment(images: tf.Tensor, size: int, ranges: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Draw one variant of each image.

    Args:
        images: uint8 ``[N, h, w, 1]``.
        size: rows and columns of the result.
        ranges: what may change.
        seed: int64 ``[2]``; the same seed draws the same variants.

    Returns:
        float32 ``[N, size, size, 1]``, 0..255.
    """
    draw = _Draw(tf.shape(images)[0], seed)
    images = _crop(tf.cast(images, tf.float32) / 255.0, size, ranges, draw)
    if ranges.tone:
        references = tf.gather(images, partners(tf.shape(images)[0], draw.seed()))
        mixed = tf.cast(draw.between(0.0, 1.0) < ranges.tone, tf.float32)
        images = mix_tones(images, references, mixed * draw.between(0.0, 1.0))
    return _shade(images, ranges, draw)


def batches(
    data: Dataset,
    size: int,
    batch: int,
    ranges: Augmentation,
    seed: int,
    epoch: int,
    balance: Balance = "loss",
) -> tf.data.Dataset:
    """One epoch of shuffled, augmented batches ``(images, targets, weights)``.

    Every class counts the same by weights in the loss or by sampling, or as often as it is there.
    The order and every variant follow from ``seed`` and ``epoch`` alone, so a resumed run sees what
    the uninterrupted one would.
    """
    generator = np.random.default_rng((seed, epoch))
    share = np.maximum(data.targets.mean(axis=0), np.finfo(np.float32).tiny)
    weights = (data.targets / (len(share) * share)).sum(axis=1).astype(np.float32)
    if balance == "sampling":
        order = generator.choice(len(data), len(data), p=weights / weights.sum())
    else:
        order = generator.permutation(len(data))
    if balance != "loss":
        weights = np.ones_like(weights)

    def plain() -> Iterator[tuple[int, Pixels, Targets, Targets]]:
        for step, start in enumerate(range(0, len(order), batch)):
            rows = order[start : start + batch]
            yield step, data.images[rows], data.targets[rows], weights[rows]

    def variants(
        step: tf.Tensor, images: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        drawn_by = tf.stack([tf.constant(seed * 1000 + epoch, tf.int64), step])
        return augment(images, size, ranges, drawn_by), targets, weights

    # as a constant of the graph the images would be copied for every epoch
    signature = (
        tf.TensorSpec((), tf.int64),
        tf.TensorSpec((None, *data.images.shape[1:]), tf.uint8),
        tf.TensorSpec((None, data.targets.shape[1]), tf.float32),
        tf.TensorSpec((None,), tf.float32),
    )
    rows = tf.data.Dataset.from_generator(plain, output_signature=signature)
    # without the number of steps, Keras warns of a lack of data after an epoch of one step
    steps = tf.data.experimental.assert_cardinality(math.ceil(len(order) / batch))
    return rows.map(variants, num_parallel_calls=2).prefetch(2).apply(steps)


def preview(
    data: Dataset, ranges: Augmentation, seed: int, rows: int = 6, columns: int = 8
) -> Pixels:
    """A contact sheet: each row one image, as it is and in variants; uint8 ``[h, w]``."""
    chosen = np.random.default_rng(seed).choice(len(data), rows)
    lines = []
    for number, row in enumerate(chosen):
        copies = np.repeat(data.images[row : row + 1], columns - 1, axis=0)
        drawn = augment(
            tf.constant(copies), data.images.shape[1], ranges, tf.constant([seed, number])
        )
        tiles = np.concatenate([data.images[row : row + 1], np.rint(drawn).astype(np.uint8)])
        lines.append(np.concatenate(list(tiles[..., 0]), axis=1))
    sheet: Pixels = np.concatenate(lines)
    return np.asarray(Image.fromarray(sheet).reduce(2))


class _Draw:
    """Stateless random numbers, one for each image, from a new stream at each call."""

    def __init__(self, count: tf.Tensor, seed: tf.Tensor) -> None:
        self._count = count
        self._seeds = self._streams(tf.cast(seed, tf.int64))

    @staticmethod
    def _streams(seed: tf.Tensor) -> Iterator[tf.Tensor]:
        stream = 0
        while True:
            stream += 1
            yield seed + tf.constant([stream * 1_000_003, 0], tf.int64)

    def seed(self) -> tf.Tensor:
        return next(self._seeds)

    def between(self, low: float, high: float) -> tf.Tensor:
        return tf.random.stateless_uniform([self._count], self.seed(), low, high)

    def ratio(self, bounds: tuple[float, float]) -> tf.Tensor:
        return tf.exp(self.between(math.log(bounds[0]), math.log(bounds[1])))


def _crop(images: tf.Tensor, size: int, ranges: Augmentation, draw: _Draw) -> tf.Tensor:
    """Flip, rotate, crop and resize in one bilinear step."""
    height, width = int(images.shape[1]), int(images.shape[2])
    side = tf.sqrt(draw.between(*ranges.area))
    stretch = tf.sqrt(draw.ratio(ranges.aspect))
    largest = max(1.0, math.sqrt(ranges.area[1]))
    crop_width = tf.minimum(side * stretch, largest) * width
    crop_height = tf.minimum(side / stretch, largest) * height
    centre_x = (width - crop_width) * draw.between(-0.5, 0.5) + (width - 1) / 2
    centre_y = (height - crop_height) * draw.between(-0.5, 0.5) + (height - 1) / 2
    angle = draw.between(-1.0, 1.0) * math.radians(ranges.rotation)
    mirror = tf.where(draw.between(0.0, 1.0) < ranges.flip, -1.0, 1.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    per_x, per_y = mirror * crop_width / size, crop_height / size
    middle = (size - 1) / 2
    zero = tf.zeros_like(angle)
    # rows of the matrix that takes an output place (x, y, 1) to a source place
    transforms = tf.stack(
        [
            per_x * cosine,
            -per_y * sine,
            centre_x - middle * (per_x * cosine - per_y * sine),
            per_x * sine,
            per_y * cosine,
            centre_y - middle * (per_x * sine + per_y * cosine),
            zero,
            zero,
        ],
        axis=1,
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=[size, size],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _shade(images: tf.Tensor, ranges: Augmentation, draw: _Draw) -> tf.Tensor:
    """Change grey values 0..1; the result is 0..255."""

    def each(values: tf.Tensor) -> tf.Tensor:
        return values[:, tf.newaxis, tf.newaxis, tf.newaxis]

    kernel = tf.constant(np.outer((1, 2, 1), (1, 2, 1)) / 16, tf.float32)[..., None, None]
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
    detail = images - tf.nn.conv2d(padded, kernel, 1, "VALID")
    textured = each(tf.cast(draw.between(0.0, 1.0) < ranges.texture, tf.float32))
    sharpness = each(draw.between(*ranges.sharpness)) * textured
    images = tf.clip_by_value(images + sharpness * detail, 0.0, 1.0)
    images = images ** each(draw.ratio(ranges.gamma))
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    images = mean + (images - mean) * each(draw.ratio(ranges.contrast))
    images += each(draw.between(-1.0, 1.0)) * ranges.brightness
    noise = tf.random.stateless_normal(tf.shape(images), draw.seed())
    images += noise * each(draw.between(0.0, 1.0)) * textured * ranges.noise
    return tf.clip_by_value(images, 0.0, 1.0) * 255.0
