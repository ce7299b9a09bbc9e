"""``POST /explain``."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from service.http.dependencies import PREDICTING, CurrentRuntime, Uploads
from service.http.disconnect import cancel_on_disconnect
from service.http.openapi import BINARY, READING, problems, upload
from service.http.routes.run_prediction import run_admitted
from service.http.schemas import PredictingQuery
from service.inference.evidence import Layer
from service.runtime.cost import expected_units

router = APIRouter(dependencies=PREDICTING, tags=["Images"])

# the image is read a second time at a size to look at, and drawn
_DRAWING_UNITS = 3.0


class ExplainQuery(PredictingQuery):
    """Query parameters of /explain."""

    alpha: float | None = Field(
        default=None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Opacity of the evidence; by default 0.5 over the image and 1 alone.",
    )
    layer: Layer = Field(
        default="overlay",
        description="`overlay`: the X-ray with the evidence; `evidence`: that alone, RGBA.",
    )


class PngResponse(Response):
    """A PNG image."""

    media_type = "image/png"


@router.post(
    "/explain",
    summary="Draw the evidence",
    openapi_extra=upload(),
    response_class=PngResponse,
    responses={
        200: {"description": "A PNG image.", "content": {"image/png": {"schema": BINARY}}},
        **problems(*READING, "no_evidence"),
    },
)
async def explain(
    request: Request,
    runtime: CurrentRuntime,
    uploads: Uploads,
    query: Annotated[ExplainQuery, Query()],
) -> PngResponse:
    """Draw where the evidence for pneumonia lies. It is evidence, not the outline of a lesion.

    Opacity 0 gives the plain X-ray, also for formats a browser cannot show.
    """
    predictor = runtime.predictor
    predictor.model.contract.operating_point(query.operating_point)  # decides nothing, must exist
    opacity = query.alpha
    if opacity is None:
        opacity = 0.5 if query.layer == "overlay" else 1.0
    with uploads.memory.hold() as hold:
        data = await uploads.read_one(request, hold)
        done = await cancel_on_disconnect(
            request.receive,
            run_admitted(
                runtime,
                lambda: predictor.explain(data, opacity, query.layer),
                _DRAWING_UNITS + 2 * expected_units(data),
            ),
        )
    return PngResponse(done.value)
