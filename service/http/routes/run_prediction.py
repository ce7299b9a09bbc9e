"""One image through admission, counted and described, for every route that predicts."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

from service.errors import NotAChestXray, PneumoniaError
from service.http.audit import Asked
from service.http.request_context import RequestContext
from service.http.schemas import ModelAnswer, PredictionAnswer, describe
from service.inference.operating_point import OperatingPoint
from service.inference.predictor import Predictor
from service.runtime.admission import JobResult
from service.runtime.cost import expected_units
from service.runtime.runtime import Runtime

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """What is asked of every image of a request.

    Attributes:
        point: which operating point decides.
        prevalence: the one that the answer is also adjusted to; None for no other.
    """

    point: OperatingPoint
    prevalence: float | None = None


async def run_prediction(
    runtime: Runtime,
    predictor: Predictor,
    data: bytes | PneumoniaError,
    question: Question,
    context: RequestContext,
    index: int | None = None,
) -> PredictionAnswer:
    """Wait for a worker, predict for one encoded image, count it and log it.

    Args:
        runtime: what runs it.
        predictor: what answers.
        data: the whole file, or why there is none.
        question: what is asked.
        context: of the request.
        index: the place of the file in a batch; None outside of one.

    Raises:
        PneumoniaError: as :meth:`Admission.run` and :meth:`Predictor.predict`.
    """
    asked = Asked(context, predictor.model.sha256, question.point, index)
    start = perf_counter()
    try:
        if isinstance(data, PneumoniaError):
            raise data
        done = await run_admitted(
            runtime,
            lambda: predictor.predict(data, question.point, question.prevalence),
            expected_units(data),
        )
    except PneumoniaError as error:
        asked.log_refusal(error, perf_counter() - start)
        raise
    total = perf_counter() - start
    asked.log_answer(done.value, total)
    runtime.metrics.count_prediction(done.value, done.queue_seconds, total)
    contract = predictor.model.contract
    model = ModelAnswer(name=contract.name, version=contract.version, sha256=predictor.model.sha256)
    return describe(
        done.value, model, context.request_id, done.queue_seconds, total, context.with_uids
    )


async def run_admitted(runtime: Runtime, job: Callable[[], T], units: float) -> JobResult[T]:
    """Run a job on a worker, as :meth:`Admission.run`.

    Admission learns how long work takes from jobs that return. A refusal by the model took all the
    work of an answer, so the job returns it; an error before that is raised in the job.
    """

    def attempt() -> T | NotAChestXray:
        try:
            return job()
        except NotAChestXray as refusal:
            if refusal.distance is None:  # refused before the model
                raise
            return refusal.with_traceback(None)  # whose frames hold the upload

    done = await runtime.admission.run(attempt, units)
    if isinstance(done.value, NotAChestXray):
        raise done.value
    return JobResult(done.value, done.queue_seconds)
