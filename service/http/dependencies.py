"""What endpoints depend on: the running parts, a key, a free place, and known parameters."""

from typing import Annotated

from fastapi import Depends, Security
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from service.errors import InvalidRequest, Unauthorized
from service.http.api_keys import ApiKeys
from service.http.request_context import request_context_of
from service.http.uploads import UploadReader
from service.runtime.runtime import Runtime

_bearer = HTTPBearer(auto_error=False, description="Only where the service was given keys.")
_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same key in a header of its own."
)


async def get_runtime(request: Request) -> Runtime:
    """The parts of the running service."""
    runtime: Runtime = request.app.state.runtime
    return runtime


async def get_uploads(request: Request) -> UploadReader:
    """What reads uploads."""
    uploads: UploadReader = request.app.state.uploads
    return uploads


CurrentRuntime = Annotated[Runtime, Depends(get_runtime)]
Uploads = Annotated[UploadReader, Depends(get_uploads)]


async def require_api_key(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> None:
    """Let a request through that carries a known key, or any where the service has no keys.

    Either header is enough: a gateway in front may use ``Authorization`` for itself.

    Raises:
        Unauthorized: no key, or only unknown ones.
    """
    keys: ApiKeys = request.app.state.api_keys
    if not keys.required:
        return
    key_id = keys.find(key for key in (bearer and bearer.credentials, header) if key)
    request_context_of(request.scope).key_id = key_id
    if key_id is None:
        raise Unauthorized("Send a valid key as Authorization: Bearer KEY or as X-API-Key: KEY.")


async def admit_now(runtime: CurrentRuntime) -> None:
    """Refuse work, before its upload is read, that could not be answered in time.

    Raises:
        NotReady: the service starts or ends.
        Overloaded: the expected wait is too long.
    """
    _ = runtime.predictor
    runtime.admission.check()


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a misspelt query parameter, whose default would otherwise be used in silence.

    Raises:
        InvalidRequest: which one it is, and which there are.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = {field.alias for field in get_flat_params(route.dependant)}
    known -= set(route.param_convertors)  # those of the path
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise InvalidRequest(
            f"query {unknown[0]}: there is no such parameter. This URL takes "
            f"{', '.join(sorted(known)) or 'none'}."
        )


RequireApiKey = Depends(require_api_key)
AdmitNow = Depends(admit_now)
RefuseUnknownParameters = Depends(refuse_unknown_parameters)

# for every endpoint that predicts, in this order: who asks is known before anything else is told
PREDICTING = [RequireApiKey, AdmitNow, RefuseUnknownParameters]
