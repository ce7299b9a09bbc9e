"""From a model file to a predictor that is ready for its first request."""

from typing import TYPE_CHECKING

from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel
from service.inference.predictor import Predictor

if TYPE_CHECKING:
    from service.settings import Settings


def load_predictor(settings: "Settings") -> Predictor:
    """Load and check the model file, and predict once, so that no caller pays for the first time.

    Raises:
        ModelFileError: see :class:`service.inference.model.OnnxModel`.
    """
    predictor = Predictor(
        OnnxModel(settings.model, settings.model_sha256),
        Limits(max_pixels=settings.max_pixels),
        refuse=settings.input_check == "refuse",
    )
    predictor.warm_up()
    return predictor
