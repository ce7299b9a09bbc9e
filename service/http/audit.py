"""The trail of answers: one log line for each image, with what it takes to explain it later."""

import logging
from dataclasses import dataclass

from service.errors import NotAChestXray, PneumoniaError
from service.http.request_context import RequestContext
from service.inference.operating_point import OperatingPoint
from service.inference.predictor import Prediction

_logger = logging.getLogger("service.audit")


@dataclass(frozen=True)
class Asked:
    """What is asked about one image.

    Attributes:
        context: of its request.
        model_sha256: of the model that answers.
        point: which rule decides.
        index: its place in a batch, from 0; None outside of one.
    """

    context: RequestContext
    model_sha256: str
    point: OperatingPoint
    index: int | None = None

    def log_answer(self, prediction: Prediction, seconds: float) -> None:
        """Log the answer, and how long it took from the complete upload on."""
        self._log(
            {"probability": round(prediction.probability, 6), "decision": prediction.decision},
            seconds,
        )

    def log_refusal(self, error: PneumoniaError, seconds: float) -> None:
        """Log why there is no answer, and how long it took from the complete upload on."""
        fields: dict[str, object] = {"code": error.code}
        if isinstance(error, NotAChestXray) and error.distance is not None:
            fields["distance"] = round(error.distance, 6)
        self._log(fields, seconds)

    def _log(self, outcome: dict[str, object], seconds: float) -> None:
        fields = {
            **self.context.identity(),
            **({} if self.index is None else {"index": self.index}),
            "model_sha256": self.model_sha256,
            "operating_point": self.point.name,
            **outcome,
            "duration_ms": round(seconds * 1e3, 3),
        }
        _logger.info("answer", extra={"fields": fields})
