"""How inputs and problems are described in the OpenAPI document."""

from typing import Any

from service.http.problems import MEDIA_TYPE, TABLE, Code, make_problem

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
