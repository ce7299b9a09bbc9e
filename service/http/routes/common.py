"""What the routes share: the running parts, the key, and how inputs are documented."""

from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import Request

from service.http.problems import MEDIA_TYPE, TABLE, Code, make_problem
from service.http.security import check_key
from service.runtime.runtime import Runtime

_bearer = HTTPBearer(auto_error=False, description="Only where the service was given keys.")
_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same key in a header of its own."
)


async def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RunningParts = Annotated[Runtime, Depends(_runtime)]


async def _keyed(request: Request, runtime: RunningParts) -> None:
    check_key(request, runtime.settings.api_key_sha256)


# the two schemes only document; the check itself reads the headers
KEYED = [Depends(_keyed), Security(_bearer), Security(_header)]

_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}


def upload(field: str, many: bool = False) -> dict[str, Any]:
    """The OpenAPI description of a body that routes read themselves.

    Args:
        field: name of the form's field.
        many: whether the field may repeat; then a raw body is not possible.
    """
    schema = {"type": "array", "items": _BINARY, "minItems": 1} if many else _BINARY
    content: dict[str, Any] = {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {field: schema},
                "required": [field],
                "additionalProperties": False,
            }
        }
    }
    if not many:
        for kind in ("image/*", "application/dicom", "application/octet-stream"):
            content[kind] = {"schema": _BINARY}
    return {"requestBody": {"required": True, "content": content}}


def problems(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the problems a route may answer, with an example of each code."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status, title = TABLE[code]
        response = responses.setdefault(
            status,
            {
                "description": "",
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "examples": {},
                    }
                },
            },
        )
        response["description"] = "; ".join(filter(None, (response["description"], title)))
        example = make_problem(code, f"{title}. What to do is said here.", "3f1c...")
        response["content"][MEDIA_TYPE]["examples"][code] = {"value": example.model_dump()}
        if code == "overloaded":
            response["headers"] = {
                "Retry-After": {
                    "description": "Seconds after which to try again.",
                    "schema": {"type": "integer", "minimum": 1},
                }
            }
    return responses


READING: tuple[Code, ...] = (
    "unauthorized",
    "undecodable_image",
    "request_timeout",
    "too_large",
    "unsupported_type",
    "not_a_chest_xray",
    "invalid_request",
    "overloaded",
    "not_ready",
    "deadline_exceeded",
)
