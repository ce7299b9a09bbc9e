"""How inputs and problems are described in the OpenAPI document."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.http.open_inference import JSON_LENGTH
from service.http.open_inference_schemas import InferenceError, InferenceRequest
from service.http.problem_details import TABLE, Code, make_problem
from service.http.problems import MEDIA_TYPE

_SCHEMAS = "#/components/schemas/"
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


class DocumentedApp(FastAPI):
    """An application that documents the bodies which its routes read themselves."""

    def openapi(self) -> dict[str, Any]:
        """The document, as the framework makes it once, with those schemas."""
        document: dict[str, Any] = super().openapi()
        _, definitions = models_json_schema(
            [(InferenceRequest, "validation"), (InferenceError, "serialization")],
            ref_template=f"{_SCHEMAS}{{model}}",
        )
        document["components"]["schemas"] |= {
            "ImageForm": _form("file", "The form of one image.", BINARY),
            "ImagesForm": _form(
                "files",
                "The form of several images.",
                {"type": "array", "items": BINARY, "minItems": 1},
            ),
            **definitions["$defs"],
        }
        _drop_unreachable(document)
        return document


def upload(many: bool = False) -> dict[str, Any]:
    """The OpenAPI description of an upload.

    Args:
        many: whether it may hold several images; then a raw body is not possible.
    """
    form = "ImagesForm" if many else "ImageForm"
    content: dict[str, Any] = {"multipart/form-data": {"schema": {"$ref": f"{_SCHEMAS}{form}"}}}
    if not many:
        for kind in ("image/*", "application/dicom", "application/octet-stream"):
            content[kind] = {"schema": BINARY}
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
            response["headers"] = _RETRY_AFTER
    return responses


def inference() -> dict[str, Any]:
    """The OpenAPI description of the body of an inference request."""
    content = {"application/json": {"schema": {"$ref": f"{_SCHEMAS}InferenceRequest"}}}
    description = f"The JSON alone; or with binary data behind it, its length in {JSON_LENGTH}."
    return {"requestBody": {"required": True, "content": content, "description": description}}


def inference_errors(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The same where they are answered as the Open Inference Protocol has it."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status, problem in problems(*codes).items():
        schema = {"$ref": f"{_SCHEMAS}InferenceError"}
        responses[status] = {**problem, "content": {"application/json": {"schema": schema}}}
    return responses


def _drop_unreachable(document: dict[str, Any]) -> None:
    """Leave out what the framework adds to every path with a parameter: any text is valid there."""
    for operations in document["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def _form(field: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": {field: schema},
        "required": [field],
    }


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
