"""A moving average of the weights, beside the network in training."""

import keras
import tensorflow as tf


class WeightAverage(keras.callbacks.Callback):  # type: ignore[misc]
    """Averages the weights exponentially after every step, with a warm-up.

    After step ``n`` the momentum is ``min(momentum, (1 + n) / (10 + n))``, so that a short run
    does not keep its start weights (as ``tf.train.ExponentialMovingAverage`` with
    ``num_updates``). Keras' own ``use_ema`` has no warm-up, and at the end of each ``fit`` it
    overwrites the weights that are being trained.
    """

    def __init__(self, average: keras.Model, momentum: float) -> None:
        """Averages into the weights of a network.

        Args:
            average: a network of the same architecture, which holds the average so far.
            momentum: share of the average that a step keeps after the warm-up, 0..1.
        """
        super().__init__()
        self._average = average
        self._momentum = momentum
        # one graph, since an eager operation a variable would cost as much as a step on a GPU
        self._update = tf.function(self._move)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Move the average towards the weights after one more step."""
        self._update()

    def _move(self) -> None:
        steps = tf.cast(self.model.optimizer.iterations.value, tf.float32)
        kept = tf.minimum(self._momentum, (1 + steps) / (10 + steps))
        for average, weight in zip(self._average.weights, self.model.weights, strict=True):
            average.assign_add((1 - kept) * (weight.value - average.value))
