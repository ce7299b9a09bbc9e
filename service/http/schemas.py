"""What is asked and answered, as the OpenAPI document shows it."""

from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from service.http.problem_details import Problem
from service.http.uids import UidsAnswer, describe_uids
from service.inference.contract import Contract
from service.inference.operating_point import Decision, Purpose
from service.inference.predictor import Prediction
from service.inference.prevalence import Adjusted


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class PredictingQuery(BaseModel):
    """Query parameters of every endpoint that predicts."""

    model_config = ConfigDict(frozen=True)

    operating_point: str = Field(
        default="balanced",
        description="Which of the model's operating points decides; `GET /model` lists them.",
        max_length=64,
        examples=["screening"],
    )


class OperatingPointAnswer(_Answer):
    """The rule that turned the probability into the decision."""

    name: str = Field(examples=["balanced"])
    purpose: Purpose = Field(
        description="`decision`, or `screening`, whose answer `pneumonia` means no more than: "
        "above the screening threshold, a person must look.",
        examples=["decision"],
    )
    threshold: float = Field(description="Pneumonia at or above this probability.", examples=[0.5])
    sensitivity: float = Field(
        description="The part of those with pneumonia that it found, where it was measured: by the "
        "threshold alone, and for the model's population alone."
    )
    specificity: float = Field(
        description="The part of those without pneumonia that it cleared, by the same measure."
    )


class InputCheckAnswer(_Answer):
    """Whether the image is one the model can read; all null where the model has no check."""

    accepted: bool | None
    distance: float | None = Field(description="From the chest X-rays it was made for, >= 0.")
    limit: float | None = Field(description="The largest distance that is accepted.")


class LungsAnswer(_Answer):
    """The box around both lungs, in shares of the image's width and height."""

    left: float
    top: float
    right: float
    bottom: float
    evidence_outside: float | None = Field(
        description="The share of the evidence for pneumonia that lies outside the box; null where "
        "nothing speaks for pneumonia."
    )


class ImageAnswer(_Answer):
    """What was decoded."""

    format: str = Field(examples=["JPEG"])
    width: int = Field(description="Columns of the original.")
    height: int = Field(description="Rows of the original.")
    bit_depth: int = Field(description="Significant bits a sample.")


class ModelAnswer(_Answer):
    """Which model answered."""

    name: str
    version: str
    sha256: str = Field(description="Of the model file.")


class Timings(_Answer):
    """Where the time went, in milliseconds, from the complete upload on."""

    decode: float
    queue: float
    inference: float
    total: float


class AdjustedAnswer(_Answer):
    """What the answer means where pneumonia is as frequent as the query says."""

    prevalence: float = Field(description="As the query gave it.")
    probability: float = Field(
        description="Of pneumonia, at that prevalence. It does not change the decision."
    )
    positive_predictive_value: float | None = Field(
        description="The part of the answers `pneumonia` of this operating point that is right at "
        "that prevalence; null where no measured figure holds for the patient."
    )
    negative_predictive_value: float | None = Field(description="The same of `normal`.")


class WarningAnswer(_Answer):
    """Something the reader of an answer should know."""

    code: str = Field(description="Stable name.", examples=["upscaled"])
    detail: str


_EXAMPLE: JsonDict = {
    "request_id": "8b6f0d6f2f0c4c2c9a5d0d3f6f1f7a11",
    "decision": "pneumonia",
    "probability": 0.981,
    "probabilities": {"normal": 0.019, "bacterial": 0.903, "viral": 0.078},
    "subtype": "bacterial",
    "operating_point": {
        "name": "balanced",
        "purpose": "decision",
        "threshold": 0.5,
        "sensitivity": 0.98,
        "specificity": 0.94,
    },
    "input_check": {"accepted": True, "distance": 7.1, "limit": 12.5},
    "lungs": {
        "left": 0.12,
        "top": 0.08,
        "right": 0.9,
        "bottom": 0.83,
        "evidence_outside": 0.11,
    },
    "image": {"format": "JPEG", "width": 1422, "height": 1152, "bit_depth": 8},
    "model": {"name": "pneumonia", "version": "1.0", "sha256": "9f86d0..."},
    "timings_ms": {"decode": 5.1, "queue": 0.1, "inference": 8.4, "total": 14.0},
    "warnings": [],
}


class PredictionAnswer(_Answer):
    """The answer for one image."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    request_id: str
    decision: Decision = Field(
        description="What the operating point makes of the probability: `pneumonia` at or above "
        "its threshold, `normal` below, `uncertain` within its band, where a person must decide. "
        "`pneumonia` stands for the model's labels of disease, whatever they are; `finding` in the "
        "contract of `GET /model` says what they mean together."
    )
    probability: float = Field(
        description="Of pneumonia: the sum over the labels that mean it, calibrated for the "
        "prevalence that the model's contract states."
    )
    probabilities: dict[str, float] = Field(description="Each label's probability; they sum to 1.")
    subtype: str | None = Field(
        description="The kind of pneumonia. Null for `normal`, for `uncertain`, at an operating "
        "point for screening, and where the model can hardly tell one from another by the "
        "contract's `subtype_rule`."
    )
    operating_point: OperatingPointAnswer
    input_check: InputCheckAnswer
    lungs: LungsAnswer | None = Field(
        description="Where the lungs were found; null where the model does not look for them."
    )
    image: ImageAnswer
    model: ModelAnswer
    timings_ms: Timings
    warnings: list[WarningAnswer]
    adjusted: AdjustedAnswer | None = Field(
        default=None,
        exclude_if=lambda adjusted: adjusted is None,
        description="Only where the query gives a `prevalence`.",
    )
    uids: UidsAnswer | None = Field(
        default=None,
        exclude_if=lambda uids: uids is None,
        description="Only where the query asks for them by `uids=true` and the image is DICOM.",
    )


class BatchPrediction(_Answer):
    """A file of a batch that was answered."""

    index: int = Field(description="Its place in the upload, from 0.")
    prediction: PredictionAnswer


class BatchProblem(_Answer):
    """A file of a batch that was not."""

    index: int = Field(description="Its place in the upload, from 0.")
    problem: Problem


class BatchAnswer(_Answer):
    """One item a file, in the order of the upload."""

    request_id: str
    results: list[BatchPrediction | BatchProblem]


class Health(_Answer):
    """Whether the service takes requests."""

    status: Literal["ok"] = "ok"


class ModelDescription(_Answer):
    """The model file's contract, and the file's SHA-256."""

    sha256: str
    has_evidence: bool = Field(description="Whether /explain works.")
    contract: Contract


def describe(
    prediction: Prediction,
    model: ModelAnswer,
    request_id: str,
    queue_seconds: float,
    total_seconds: float,
    with_uids: bool = False,
) -> PredictionAnswer:
    """A prediction as it is answered.

    Args:
        prediction: what was found.
        model: which model found it.
        request_id: of the request.
        queue_seconds: how long it waited for a worker.
        total_seconds: from the complete upload to now.
        with_uids: whether the caller asked which DICOM object it was.
    """
    point = prediction.operating_point
    check = prediction.input_check
    radiograph = prediction.radiograph
    return PredictionAnswer(
        request_id=request_id,
        decision=prediction.decision,
        probability=prediction.probability,
        probabilities=prediction.probabilities,
        subtype=prediction.subtype,
        operating_point=OperatingPointAnswer(
            name=point.name,
            purpose=point.purpose,
            threshold=point.threshold,
            sensitivity=point.sensitivity.value,
            specificity=point.specificity.value,
        ),
        input_check=InputCheckAnswer(
            accepted=check.accepted, distance=check.distance, limit=check.limit
        ),
        lungs=LungsAnswer(**asdict(prediction.lungs)) if prediction.lungs else None,
        image=ImageAnswer(
            format=radiograph.format,
            width=radiograph.width,
            height=radiograph.height,
            bit_depth=radiograph.bit_depth,
        ),
        model=model,
        timings_ms=Timings(
            decode=_ms(prediction.decode_seconds),
            queue=_ms(queue_seconds),
            inference=_ms(prediction.inference_seconds),
            total=_ms(total_seconds),
        ),
        warnings=[
            WarningAnswer(code=warning.code, detail=warning.detail)
            for warning in prediction.warnings
        ],
        adjusted=_adjusted(prediction.adjusted),
        uids=describe_uids(radiograph.uids) if with_uids else None,
    )


def _adjusted(adjusted: Adjusted | None) -> AdjustedAnswer | None:
    return AdjustedAnswer(**asdict(adjusted)) if adjusted else None


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
