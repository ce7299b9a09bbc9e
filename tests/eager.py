"""TensorFlow without graphs, for trainings of a few steps."""

from collections.abc import Iterator
from contextlib import contextmanager

# data sets stay graphs, which it warns of
WARNING = "ignore:Even though the `tf.config:UserWarning"


@contextmanager
def eagerly() -> Iterator[None]:
    """Compute at once: for a few steps a network's graph takes far longer to make than to run."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
