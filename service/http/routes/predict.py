"""``POST /predict`` and ``POST /predict/batch``."""

import asyncio
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from service.errors import PneumoniaError
from service.http.dependencies import PREDICTING, CurrentRuntime, Uploads
from service.http.disconnect import cancel_on_disconnect
from service.http.openapi import READING, problems, upload
from service.http.problem_details import problem_of
from service.http.problems import unexpected
from service.http.request_context import RequestContext, request_context_of
from service.http.routes.run_prediction import Question, run_prediction
from service.http.schemas import (
    BatchAnswer,
    BatchPrediction,
    BatchProblem,
    PredictingQuery,
    PredictionAnswer,
)
from service.inference.contract import Contract
from service.inference.predictor import Predictor
from service.inference.prevalence import check_prevalence
from service.runtime.runtime import Runtime

router = APIRouter(dependencies=PREDICTING, tags=["Images"])


class PredictQuery(PredictingQuery):
    """Query parameters of /predict and /predict/batch."""

    uids: bool = Field(
        default=False,
        description="Whether the answer names the study, series and instance of a DICOM file. By "
        "default it does not, and nothing else that names or describes a patient is ever answered.",
    )
    prevalence: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="The share of your patients that has pneumonia. The answer then also has "
        "`adjusted`, which says what it means there; all other fields stay as they are.",
        examples=[0.1],
    )

    def question(self, contract: Contract) -> Question:
        """What is asked, once it is known that the model can answer it.

        Raises:
            InvalidRequest: there is no such operating point, or no adjusting.
        """
        check_prevalence(contract, self.prevalence)
        point = contract.operating_point(self.operating_point)
        return Question(point, self.prevalence)


@router.post(
    "/predict",
    summary="Read one image",
    openapi_extra=upload(),
    responses=problems(*READING),
)
async def predict(
    request: Request,
    runtime: CurrentRuntime,
    uploads: Uploads,
    query: Annotated[PredictQuery, Query()],
) -> PredictionAnswer:
    """Read one chest X-ray: pneumonia or not, how sure, which kind.

    Send it as the form field `file`, or its bytes alone as the body: JPEG, PNG, BMP, TIFF, WebP or
    DICOM (CR or DX). The answer holds no patient data; of a DICOM file it holds the UIDs where
    `uids=true` asks for them.
    """
    context = request_context_of(request.scope)
    context.with_uids = query.uids
    predictor = runtime.predictor
    question = query.question(predictor.model.contract)
    with uploads.memory.hold() as hold:
        data = await uploads.read_one(request, hold)
        answer = await cancel_on_disconnect(
            request.receive,
            run_prediction(runtime, predictor, data, question, context),
        )
    context.decision = answer.decision
    return answer


@router.post(
    "/predict/batch",
    summary="Read several images",
    openapi_extra=upload(many=True),
    responses=problems(*READING),
)
async def predict_batch(
    request: Request,
    runtime: CurrentRuntime,
    uploads: Uploads,
    query: Annotated[PredictQuery, Query()],
) -> BatchAnswer:
    """Read several chest X-rays; each gets a prediction or a problem of its own.

    Send each as one form field `files`, in any of the formats of `/predict`. The results are in the
    order of the upload.
    """
    context = request_context_of(request.scope)
    context.with_uids = query.uids
    predictor = runtime.predictor
    question = query.question(predictor.model.contract)
    with uploads.memory.hold() as hold:
        files = await uploads.read_many(request, hold)
        results = await cancel_on_disconnect(
            request.receive,
            _predict_all(runtime, predictor, files, question, context),
        )
    return BatchAnswer(request_id=context.request_id, results=results)


async def _predict_all(
    runtime: Runtime,
    predictor: Predictor,
    files: list[bytes | PneumoniaError],
    question: Question,
    context: RequestContext,
) -> list[BatchPrediction | BatchProblem]:
    """As many at a time as there are workers, so that a batch does not shed itself."""
    results: list[BatchPrediction | BatchProblem] = []
    waiting = iter(enumerate(files))

    async def take_turns(waiting: Iterator[tuple[int, bytes | PneumoniaError]]) -> None:
        for index, file in waiting:
            source = None
            try:
                prediction = await run_prediction(
                    runtime, predictor, file, question, context, index
                )
                results.append(BatchPrediction(index=index, prediction=prediction))
                continue
            except PneumoniaError as error:
                source = error.source
                problem = problem_of(error, context.request_id, context.with_uids)
            except Exception:  # noqa: BLE001 - a file spoils no other, whatever it does
                problem = unexpected(context.request_id)
            runtime.metrics.count_refusal(problem.code, problem.distance, source)
            results.append(BatchProblem(index=index, problem=problem))

    async with asyncio.TaskGroup() as group:
        for _ in range(runtime.workers):
            group.create_task(take_turns(waiting))
    return sorted(results, key=lambda item: item.index)
