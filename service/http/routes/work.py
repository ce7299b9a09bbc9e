"""The way to the endpoints that judge images, which nothing may delay.

Those of the Open Inference Protocol have parameters in their paths and go the framework's way.

For each request the framework solves the endpoint's dependencies, keeps stacks to close them, looks
for the route in every router and checks the answer once more; that is a good part of what the event
loop does for an image (docs/decisions/0012-straight-to-the-endpoint.md).
"""

from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, cast, get_type_hints

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from service.http.security import check_key
from service.runtime.runtime import Runtime


class JudgeQuery(BaseModel):
    """What the address of every endpoint that judges images may ask for."""

    model_config = ConfigDict(frozen=True)

    operating_point: str = Field(
        default="balanced",
        description="Which of the model's operating points decides; `GET /model` lists them.",
        max_length=64,
        examples=["screening"],
    )


class WorkRoute(APIRoute):
    """A route whose endpoint is called as ``endpoint(request, runtime, query)``.

    It is documented as its signature says, like any other; ``query`` is annotated with a model.
    Dependencies of its router are documented, and not called.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers, where the framework comes to this route by itself."""
        return self.answer

    async def answer(self, request: Request) -> Response:
        """Answer one request, refusing first what will not be worked on.

        Raises:
            PneumoniaError: no key, not ready, no chance to be answered in time, or as the endpoint.
            RequestValidationError: the query does not fit.
        """
        runtime: Runtime = request.app.state.runtime
        check_key(request, runtime.settings.api_key_sha256)
        runtime.admission.check()
        try:
            query = self._query.model_validate(dict(request.query_params))
        except ValidationError as error:
            raise RequestValidationError(
                [{**found, "loc": ("query", *found["loc"])} for found in error.errors()]
            ) from error
        answer = await self.endpoint(request, runtime, query)
        if isinstance(answer, Response):
            return answer
        return Response(cast("BaseModel", answer).model_dump_json(), media_type="application/json")

    @cached_property
    def _query(self) -> type[BaseModel]:
        return cast("type[BaseModel]", get_type_hints(self.endpoint)["query"])
