"""From a model file to what answers."""

from service.imaging.radiograph import Limits
from service.model import OnnxModel
from service.predictor import Predictor
from service.settings import Settings


def load_predictor(settings: Settings) -> Predictor:
    """Load and check the model file, and wire it.

    Raises:
        ModelFileError: see :class:`service.model.OnnxModel`.
    """
    return Predictor(
        OnnxModel(settings.model, settings.model_sha256),
        Limits(max_pixels=settings.max_pixels),
        refuse=settings.input_check == "refuse",
    )
