"""What every peer does with an image: all that our service does with it, without HTTP."""

from collections.abc import Callable
from pathlib import Path

from service.inference.model import OnnxModel
from service.inference.predictor import Predictor


def image_predictor(path: str) -> Callable[[bytes], dict[str, float]]:
    """A model file as a function on the calling thread: encoded bytes to label -> probability."""
    predictor = Predictor(OnnxModel(Path(path)), refuse=False)
    return lambda data: predictor.predict(data).probabilities
