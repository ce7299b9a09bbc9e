"""A moving average of the weights, beside the network in training."""

import keras


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
        self._update = self._move
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # one graph, since an eager operation a variable would cost as much as a step on a GPU
            self._update = tf.function(self._move)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Move the average towards the weights after one more step."""
        self._update()

    def _move(self) -> None:
        model = self.model  # with JAX, asking for it brings the weights up to date
        steps = keras.ops.cast(model.optimizer.iterations, "float32")
        kept = keras.ops.minimum(self._momentum, (1 + steps) / (10 + steps))
        for average, weight in zip(self._average.weights, model.weights, strict=True):
            average.assign_add((1 - kept) * (weight - average))
