"""One image through admission, counted and described, for every route that predicts."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

from service.errors import NotAChestXray
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
        with_uids: whether the answer names the DICOM object.
    """

    point: OperatingPoint
    prevalence: float | None = None
    with_uids: bool = False


async def run_prediction(
    runtime: Runtime, predictor: Predictor, data: bytes, question: Question, request_id: str
) -> PredictionAnswer:
    """Wait for a worker, predict for one encoded image, and count it.

    Raises:
        PneumoniaError: as :meth:`Admission.run` and :meth:`Predictor.predict`.
    """
    start = perf_counter()
    done = await run_admitted(
        runtime,
        lambda: predictor.predict(data, question.point, question.prevalence),
        expected_units(data),
    )
    total = perf_counter() - start
    runtime.metrics.count_prediction(done.value, done.queue_seconds, total)
    contract = predictor.model.contract
    model = ModelAnswer(name=contract.name, version=contract.version, sha256=predictor.model.sha256)
    return describe(done.value, model, request_id, done.queue_seconds, total, question.with_uids)


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
