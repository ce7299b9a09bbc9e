"""For those who run the service: health, metrics, and which model it is."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from service.http.dependencies import CurrentRuntime, RequireApiKey
from service.http.openapi import problems
from service.http.schemas import Health, ModelDescription

router = APIRouter(tags=["Operations"])


@router.head("/health", include_in_schema=False)
@router.head("/health/ready", include_in_schema=False)
@router.get("/health", name="health", summary="Ready", responses=problems("not_ready"))
@router.get("/health/ready", summary="Ready", responses=problems("not_ready"))
async def ready(runtime: CurrentRuntime) -> Health:
    """Whether the service takes requests: 503 while it starts and when it is about to end."""
    runtime.check_ready()
    return Health()


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", summary="Alive")
async def live() -> Health:
    """Whether the process answers at all."""
    return Health()


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def metrics(runtime: CurrentRuntime) -> Response:
    """Prometheus' text format."""
    return Response(generate_latest(runtime.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/model",
    summary="Describe the model",
    dependencies=[RequireApiKey],
    responses=problems("unauthorized", "not_ready"),
)
async def model(runtime: CurrentRuntime) -> ModelDescription:
    """What the model promises: labels, operating points, population, figures."""
    served = runtime.predictor.model
    return ModelDescription(
        sha256=served.sha256, has_evidence=served.has_evidence, contract=served.contract
    )
