"""Knowledge distillation: a student learns the predictions of teacher networks.

Hinton et al. 2015 (arXiv:1503.02531). The teachers see the same augmented image as the student,
which is what makes it work (Beyer et al. 2022, arXiv:2106.05237).
"""

from collections.abc import Sequence

import keras
import tensorflow as tf


def with_soft_targets(rows: tf.data.Dataset, teachers: Sequence[keras.Model]) -> tf.data.Dataset:
    """Batches ``(images, targets, weights)`` whose targets are the teachers' mean probabilities.

    Args:
        rows: batches of images float32 ``[N, size, size, 1]``, as augmented.
        teachers: at least one, of the size of the images.
    """

    def replace_targets(
        images: tf.Tensor, _: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        predicted = [tf.nn.softmax(teacher(images, training=False)) for teacher in teachers]
        return images, tf.reduce_mean(tf.stack(predicted), axis=0), weights

    return rows.map(replace_targets).prefetch(1)
