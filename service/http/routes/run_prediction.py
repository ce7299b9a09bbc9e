"""One image through admission, counted and described, for every route that judges images."""

from time import perf_counter

from service.http.schemas import ModelAnswer, PredictionAnswer, describe
from service.inference.predictor import Predictor
from service.runtime.cost import expected_units
from service.runtime.runtime import Runtime


async def run_prediction(
    runtime: Runtime,
    predictor: Predictor,
    data: bytes,
    operating_point: str,
    request_id: str,
    with_uids: bool = False,
) -> PredictionAnswer:
    """Wait for a worker, judge one encoded image, and count it.

    Raises:
        PneumoniaError: as :meth:`Admission.run` and :meth:`Predictor.predict`.
    """
    start = perf_counter()
    done = await runtime.admission.run(
        lambda: predictor.predict(data, operating_point), expected_units(data)
    )
    total = perf_counter() - start
    runtime.metrics.count_prediction(done.value, done.queue_seconds, total)
    contract = predictor.model.contract
    model = ModelAnswer(name=contract.name, version=contract.version, sha256=predictor.model.sha256)
    return describe(done.value, model, request_id, done.queue_seconds, total, with_uids)
