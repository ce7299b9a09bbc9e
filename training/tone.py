"""Tones of one X-ray on the anatomy of another: what a device does to grey values, mixed.

Devices differ in their grey curves, and in a collection whose healthy and ill come from different
devices the curve tells the label. Giving an image the histogram of another one breaks that tie and
leaves the order of its grey values, and so its anatomy, as it was.
"""

import tensorflow as tf

_LEVELS = 256


def mix_tones(images: tf.Tensor, references: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Blend each image with itself in the tones of its reference.

    Args:
        images: float32 ``[N, h, w, 1]``, 0..1.
        references: float32 ``[N, h', w', 1]``, 0..1.
        share: float32 ``[N]``, 0 leaves an image, 1 gives it the histogram of its reference.

    Returns:
        float32 ``[N, h, w, 1]``, 0..1.
    """
    change = match_histograms(images, references) - images
    return images + share[:, tf.newaxis, tf.newaxis, tf.newaxis] * change


def match_histograms(images: tf.Tensor, references: tf.Tensor) -> tf.Tensor:
    """Give each image the grey histogram of its reference by a monotone curve.

    Exact histogram specification (Gonzalez and Woods, Digital Image Processing, 3.3.2) on 256
    levels: a grey value becomes the reference's value of the same rank.

    Args:
        images: float32 ``[N, h, w, 1]``, 0..1.
        references: float32 ``[N, h', w', 1]``, 0..1.

    Returns:
        float32 ``[N, h, w, 1]``, 0..1.
    """
    levels = _to_levels(images)
    # the middle of a level's ranks, so that an image that refers to itself stays as it is
    counts = _histogram(levels)
    ranks = tf.cumsum(counts, axis=1) - counts / 2
    targets = tf.cumsum(_histogram(_to_levels(references)), axis=1)
    curve = tf.minimum(tf.searchsorted(targets, ranks), _LEVELS - 1)
    matched = tf.gather(curve, tf.reshape(levels, [tf.shape(levels)[0], -1]), batch_dims=1)
    return tf.cast(tf.reshape(matched, tf.shape(images)), tf.float32) / (_LEVELS - 1)


def partners(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """For each row of a batch another one to refer to, int32 ``[N]``: a random cycle.

    Args:
        count: rows of the batch, at least 2 for any row to get another.
        seed: int64 ``[2]``, of ``tf.random.stateless_*``.
    """
    order = tf.argsort(tf.random.stateless_uniform([count], seed))
    following = tf.roll(order, -1, axis=0)
    return tf.scatter_nd(order[:, tf.newaxis], following, [count])


def _to_levels(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(tf.clip_by_value(images, 0.0, 1.0) * (_LEVELS - 1)), tf.int32)


def _histogram(levels: tf.Tensor) -> tf.Tensor:
    """Share of the pixels at each level, float32 ``[N, 256]``."""
    flat = tf.reshape(levels, [tf.shape(levels)[0], -1])
    counts = tf.math.bincount(flat, minlength=_LEVELS, maxlength=_LEVELS, axis=-1)
    counts = tf.ensure_shape(tf.cast(counts, tf.float32), [None, _LEVELS])
    return counts / tf.cast(tf.shape(flat)[1], tf.float32)
