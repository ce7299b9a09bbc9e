"""The Open Inference Protocol, so that clients of other inference servers work unchanged.

Its answers and errors are the protocol's, not this service's own;
https://github.com/kserve/open-inference-protocol describes it.
"""

from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service import __version__
from service.errors import InvalidRequest, TooLarge, UnknownModel
from service.http.dependencies import PREDICTING, CurrentRuntime, RequireApiKey, Uploads
from service.http.disconnect import cancel_on_disconnect
from service.http.open_inference import (
    JSON_LENGTH,
    Inference,
    Tensor,
    read_request,
    write_answer,
)
from service.http.open_inference_schemas import (
    InferenceResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
    TensorMetadata,
)
from service.http.openapi import BINARY, READING, inference, inference_errors
from service.http.problem_details import Code
from service.http.problems import OPEN_INFERENCE
from service.http.request_context import request_context_of
from service.http.routes.run_prediction import Question, run_prediction
from service.http.schemas import PredictionAnswer
from service.http.uploads import UploadReader
from service.inference.predictor import Predictor
from service.inference.prevalence import check_prevalence
from service.runtime.runtime import Runtime

router = APIRouter(prefix=OPEN_INFERENCE, tags=["Open Inference Protocol"])

# how much of an average image's work is the model's, and not the decoder's
_INFERENCE_UNITS = 0.5

_ABOUT: tuple[Code, ...] = ("not_found", "not_ready")
_INFERRED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": InferenceResponse,
        "description": f"The JSON alone; or with binary data behind it and {JSON_LENGTH}.",
        "content": {"application/octet-stream": {"schema": BINARY}},
    },
    **inference_errors(*READING, "not_found"),
}


@router.get("", summary="Describe the server")
async def server_metadata() -> ServerMetadata:
    """What this server is."""
    return ServerMetadata(
        name="pneumonia-detection", version=__version__, extensions=["binary_tensor_data"]
    )


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", summary="Alive")
async def server_live() -> ServerLive:
    """Whether the process answers at all."""
    return ServerLive()


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", summary="Ready", responses=inference_errors("not_ready"))
async def server_ready(runtime: CurrentRuntime) -> ServerReady:
    """Whether requests are taken."""
    runtime.check_ready()
    return ServerReady()


@router.get("/models/{name}/ready", summary="Ready", responses=inference_errors(*_ABOUT))
async def model_ready(runtime: CurrentRuntime, name: str) -> ModelReady:
    """Whether requests for this model are taken."""
    runtime.check_ready()
    _check_model(runtime.predictor, name)
    return ModelReady(name=name)


@router.get(
    "/models/{name}/versions/{version}/ready", summary="Ready", responses=inference_errors(*_ABOUT)
)
async def model_version_ready(runtime: CurrentRuntime, name: str, version: str) -> ModelReady:
    """Whether requests for this version of the model are taken."""
    runtime.check_ready()
    _check_model(runtime.predictor, name, version)
    return ModelReady(name=name)


@router.get(
    "/models/{name}",
    summary="Describe the model",
    dependencies=[RequireApiKey],
    responses=inference_errors("unauthorized", *_ABOUT),
)
async def model_metadata(runtime: CurrentRuntime, name: str) -> ModelMetadata:
    """The model's inputs and outputs. `image` or `bytes` is sent, not both."""
    predictor = runtime.predictor
    _check_model(predictor, name)
    return _metadata(predictor)


@router.get(
    "/models/{name}/versions/{version}",
    summary="Describe the model",
    dependencies=[RequireApiKey],
    responses=inference_errors("unauthorized", *_ABOUT),
)
async def model_version_metadata(runtime: CurrentRuntime, name: str, version: str) -> ModelMetadata:
    """The same for a version of it."""
    predictor = runtime.predictor
    _check_model(predictor, name, version)
    return _metadata(predictor)


@router.post(
    "/models/{name}/infer",
    summary="Infer",
    dependencies=PREDICTING,
    openapi_extra=inference(),
    responses=_INFERRED,
)
async def model_infer(
    request: Request, runtime: CurrentRuntime, uploads: Uploads, name: str
) -> Response:
    """Tensors in, the graph's outputs out; or an encoded image in, and the decision out."""
    _check_model(runtime.predictor, name)
    return await _infer(request, runtime, uploads)


@router.post(
    "/models/{name}/versions/{version}/infer",
    summary="Infer",
    dependencies=PREDICTING,
    openapi_extra=inference(),
    responses=_INFERRED,
)
async def model_version_infer(
    request: Request, runtime: CurrentRuntime, uploads: Uploads, name: str, version: str
) -> Response:
    """The same by a version of it."""
    _check_model(runtime.predictor, name, version)
    return await _infer(request, runtime, uploads)


def _metadata(predictor: Predictor) -> ModelMetadata:
    contract = predictor.model.contract
    classes = len(contract.labels)
    outputs = [("probabilities", "FP32", [-1, classes])]
    if predictor.model.has_evidence:
        outputs.append(("evidence", "FP32", [-1, classes, -1, -1]))
    if contract.input_check_limit is not None:
        outputs.append(("distance", "FP32", [-1]))
    if contract.lung_rule is not None:
        outputs += [("lungs", "FP32", [-1, 4]), ("lung_mask", "FP32", [-1, -1, -1])]
    outputs += [
        ("decision", "BYTES", [1]),
        ("probability", "FP32", [1]),
        ("subtype", "BYTES", [1]),
        ("warnings", "BYTES", [-1]),
    ]
    if contract.calibration_prevalence is not None:
        outputs.append(("adjusted_probability", "FP32", [1]))
    inputs = [
        ("image", "UINT8", [-1, contract.input.height, contract.input.width, 1]),
        ("bytes", "BYTES", [1]),
    ]
    return ModelMetadata(
        name=contract.name,
        versions=[contract.version],
        platform="onnxruntime_onnx",
        inputs=[_describe(*entry) for entry in inputs],
        outputs=[_describe(*entry) for entry in outputs],
    )


async def _infer(request: Request, runtime: Runtime, uploads: UploadReader) -> Response:
    predictor = runtime.predictor
    with uploads.memory.hold() as hold:
        body = await uploads.read_body(request, hold)
        json_length = _json_length(request)
        spec = predictor.model.contract.input
        asked = read_request(body, json_length, spec.height, spec.width)
        tensors = await cancel_on_disconnect(
            request.receive, _run(request, runtime, predictor, asked)
        )
    contract = predictor.model.contract
    head = {"model_name": contract.name, "model_version": contract.version}
    answer, length = write_answer(head, tensors, asked)
    if length is None:
        return Response(answer, media_type="application/json")
    headers = {JSON_LENGTH: str(length)}
    return Response(answer, headers=headers, media_type="application/octet-stream")


async def _run(
    request: Request, runtime: Runtime, predictor: Predictor, asked: Inference
) -> dict[str, Tensor]:
    images = asked.images
    if isinstance(images, bytes):
        context = request_context_of(request.scope)
        contract = predictor.model.contract
        check_prevalence(contract, asked.prevalence)
        question = Question(contract.operating_point(asked.operating_point), asked.prevalence)
        answer = await run_prediction(runtime, predictor, images, question, context)
        context.decision = answer.decision
        return _outputs(answer)
    if len(images) > runtime.settings.max_batch:
        raise TooLarge(f"At most {runtime.settings.max_batch} images at once are accepted.")
    done = await runtime.admission.run(
        lambda: predictor.model.run(images), _INFERENCE_UNITS * len(images)
    )
    output = done.value
    found = {
        "probabilities": output.probabilities,
        "evidence": output.evidence,
        "distance": output.distance,
        "lungs": output.lungs,
        "lung_mask": output.lung_mask,
    }
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def _outputs(answer: PredictionAnswer) -> dict[str, Tensor]:
    outputs: dict[str, Tensor] = {
        "decision": [answer.decision.encode()],
        "probability": np.array([answer.probability], np.float32),
        "probabilities": np.array([list(answer.probabilities.values())], np.float32),
        "subtype": [(answer.subtype or "").encode()],
        "warnings": [warning.code.encode() for warning in answer.warnings],
    }
    if answer.adjusted is not None:
        outputs["adjusted_probability"] = np.array([answer.adjusted.probability], np.float32)
    if answer.input_check.distance is not None:
        outputs["distance"] = np.array([answer.input_check.distance], np.float32)
    return outputs


def _check_model(predictor: Predictor, name: str, version: str | None = None) -> None:
    contract = predictor.model.contract
    if name != contract.name or version not in (None, contract.version):
        raise UnknownModel(f"The model here is {contract.name}, version {contract.version}.")


def _json_length(request: Request) -> int | None:
    text = request.headers.get(JSON_LENGTH)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 12:
        raise InvalidRequest(f"{JSON_LENGTH} is not a number of bytes.")
    return int(text)


def _describe(name: str, datatype: str, shape: list[int]) -> TensorMetadata:
    return TensorMetadata(name=name, datatype=datatype, shape=shape)
