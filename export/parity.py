"""Does the file compute what the network computes?"""

import keras
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from export.scaling import Scaling
from export.to_onnx import keras_probabilities
from service.errors import PneumoniaError

# largest difference of a probability between Keras and the exported file on real images; how the
# kernels are stored accounts for nearly all of it
TOLERANCE = 0.03
# of a quantised file, whose use is decided by its figures on held-out images, not by this
INT8_TOLERANCE = 0.15


class ParityError(PneumoniaError):
    """The exported graph gives other probabilities than the network."""

    code = "parity"


def check_parity(
    session: ort.InferenceSession,
    model: keras.Model,
    images: NDArray[np.uint8],
    scaling: Scaling,
    tolerance: float = TOLERANCE,
) -> dict[str, float]:
    """Compare on images of the graph's own size, uint8 ``[N, size, size, 1]``.

    Returns:
        Largest and mean absolute difference of a probability, the tolerance and the image count.

    Raises:
        ParityError: the largest difference is above the tolerance.
    """
    expected = keras_probabilities(model, images, scaling)
    given = session.run(["probabilities"], {"image": images})[0]
    difference = np.abs(given - expected)
    largest = float(difference.max())
    if not largest <= tolerance:
        raise ParityError(
            f"The exported file differs from the network by up to {largest:.3g} in a probability "
            f"(tolerance {tolerance}); it is not written."
        )
    return {
        "largest_difference": largest,
        "mean_difference": float(difference.mean()),
        "tolerance": tolerance,
        "images": float(len(images)),
    }
