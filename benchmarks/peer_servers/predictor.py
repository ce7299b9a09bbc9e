"""What every peer does with an image: all that our service does with it, without HTTP."""

from pathlib import Path

from service.inference.model import OnnxModel
from service.inference.predictor import Predictor


class ImagePredictor:
    """A model file, ready for encoded images on the calling thread."""

    def __init__(self, path: Path | str) -> None:
        self._predictor = Predictor(OnnxModel(Path(path)), refuse=False)

    def __call__(self, data: bytes) -> dict[str, float]:
        """Encoded bytes to label -> probability."""
        return self._predictor.predict(data).probabilities
