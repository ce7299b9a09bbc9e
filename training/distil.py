"""Knowledge distillation: a network learns what others say of an image in place of its label.

Hinton et al. 2015 (arXiv:1503.02531). The teachers see the very variant that the pupil sees, which
is what makes it work (Beyer et al. 2022, arXiv:2106.05237).
"""

from collections.abc import Sequence

import keras
import tensorflow as tf


def taught(rows: tf.data.Dataset, teachers: Sequence[keras.Model]) -> tf.data.Dataset:
    """Batches ``(images, targets, weights)`` with the teachers' mean probabilities for targets.

    Args:
        rows: batches of images float32 ``[N, size, size, 1]``, as augmented.
        teachers: at least one, of the size of the images.
    """

    def ask(
        images: tf.Tensor, _: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        said = [tf.nn.softmax(teacher(images, training=False)) for teacher in teachers]
        return images, tf.reduce_mean(tf.stack(said), axis=0), weights

    return rows.map(ask).prefetch(1)
