"""The application: everything is wired here, and nothing else happens here."""

from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from service import __version__
from service.errors import PneumoniaError
from service.http.api_keys import ApiKeys
from service.http.middleware import Observe
from service.http.open_inference import JSON_LENGTH
from service.http.openapi import DocumentedApp
from service.http.problem_details import CODES
from service.http.problems import answer_error
from service.http.routes import explain, operations, pages, predict, v2
from service.http.uploads import UploadMemory, UploadReader
from service.inference.predictor import Predictor
from service.runtime.metrics import Metrics
from service.runtime.runtime import Runtime
from service.settings import Settings

_DESCRIPTION = """Reads frontal chest X-rays for pneumonia. **Not a medical device.**

Every error is `application/problem+json` (RFC 9457) with a stable `code`, a sentence that says what
to do, and the `request_id` that its log line carries. Send `X-Request-ID` to choose that yourself.
"""

_TAGS = [
    {"name": "Images", "description": "An image in, an answer out."},
    {"name": "Operations", "description": "For those who run the service."},
    {
        "name": "Open Inference Protocol",
        "description": "For clients of other inference servers. "
        'https://github.com/kserve/open-inference-protocol describes it; errors are `{"error"}`.',
    },
]


def create_app(settings: Settings, predictor: "Future[Predictor] | None" = None) -> FastAPI:
    """The service as an ASGI application; its runtime is ``app.state.runtime``.

    Args:
        settings: of the service.
        predictor: what will answer, where it is being loaded already.

    Raises:
        StartError: the file of API keys or the baseline cannot be read.
    """
    runtime = Runtime(settings, predictor)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Metrics]]:
        async with runtime.running():
            yield {"metrics": runtime.metrics}  # for what is refused before it gets here

    app = DocumentedApp(
        title="Pneumonia Detection",
        version=__version__,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.state.api_keys = ApiKeys(settings)
    app.state.uploads = UploadReader(
        settings.max_bytes,
        settings.max_batch,
        settings.body_seconds,
        UploadMemory(settings.max_upload_memory),
    )
    for router in (
        predict.router,
        explain.router,
        operations.router,
        v2.router,
        pages.make_router(),
    ):
        app.include_router(router)
        for route in router.routes:
            if isinstance(route, APIRoute):
                runtime.metrics.expect_requests(route.path, route.methods or ())
    runtime.metrics.expect_refusals(CODES)
    for kind in (PneumoniaError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer_error)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=[
                "Authorization",
                "X-API-Key",
                "X-Request-ID",
                "traceparent",
                JSON_LENGTH,
            ],
            expose_headers=["X-Request-ID", "Retry-After", JSON_LENGTH],
        )
    # the last one added is the outermost
    app.add_middleware(Observe, metrics=runtime.metrics)
    return app
