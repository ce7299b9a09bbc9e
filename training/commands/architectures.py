"""`pneumonia train --list`."""

from time import perf_counter

import numpy as np

from training.architectures import ARCHITECTURES, multiply_adds

_CLASSES = 3
_BATCH = 16
_ROUNDS = 3


def print_architectures(size: int) -> None:
    """Parameters, operations and measured time an image of every architecture.

    Args:
        size: rows and columns of the images.
    """
    print(
        f"at {size} x {size} pixels, in batches of {_BATCH} by Keras on this machine; FLOPs count "
        "a multiplication and an addition as two"
    )
    print(f"{'architecture':<20}{'parameters':>12}{'GFLOPs':>9}{'ms an image':>13}")
    images = np.zeros((_BATCH, size, size, 1), np.float32)
    for name, build in ARCHITECTURES.items():
        model = build(size, _CLASSES, 0.0, "random")
        model.predict_on_batch(images)  # the first call compiles
        times = []
        for _ in range(_ROUNDS):
            start = perf_counter()
            model.predict_on_batch(images)
            times.append((perf_counter() - start) / _BATCH)
        print(
            f"{name:<20}{model.count_params():>12,}{2 * multiply_adds(model) / 1e9:>9.2f}"
            f"{min(times) * 1e3:>13.1f}",
            flush=True,
        )
