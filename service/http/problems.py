"""Errors as ``application/problem+json`` (RFC 9457). The one table from error to HTTP is here."""

import logging
from http import HTTPStatus
from typing import Literal, TypeAlias, get_args

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service import errors
from service.errors import SuspectedCause
from service.http.request_context import RequestContext, request_context_of
from service.http.uids import UidsAnswer, describe_uids

MEDIA_TYPE = "application/problem+json"
OPEN_INFERENCE = "/v2"

_logger = logging.getLogger("service.http.problems")

Code: TypeAlias = Literal[
    "undecodable_image",
    "bad_request",
    "unauthorized",
    "not_found",
    "method_not_allowed",
    "request_timeout",
    "too_large",
    "unsupported_type",
    "not_a_chest_xray",
    "invalid_request",
    "overloaded",
    "internal",
    "no_evidence",
    "not_ready",
    "deadline_exceeded",
]
CODES: tuple[Code, ...] = get_args(Code)

# Each code: its HTTP status and the title, which is the same for every occurrence.
TABLE: dict[Code, tuple[int, str]] = {
    "undecodable_image": (400, "The image cannot be decoded"),
    "bad_request": (400, "Malformed HTTP request"),
    "unauthorized": (401, "Unauthorized"),
    "not_found": (404, "Not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "request_timeout": (408, "Request timeout"),
    "too_large": (413, "The image is too large"),
    "unsupported_type": (415, "The file type is not supported"),
    "not_a_chest_xray": (422, "Not a chest X-ray the model can read"),
    "invalid_request": (422, "Invalid request"),
    "overloaded": (429, "Too many requests"),
    "internal": (500, "Internal server error"),
    "no_evidence": (501, "The model has no evidence map"),
    "not_ready": (503, "Service not ready"),
    "deadline_exceeded": (504, "Deadline exceeded"),
}

# Which code each error of ours is answered with; an error that is not here is a 500.
_ERRORS: dict[type[errors.PneumoniaError], Code] = {
    errors.UndecodableImage: "undecodable_image",
    errors.Unauthorized: "unauthorized",
    errors.UnknownModel: "not_found",
    errors.RequestTimeout: "request_timeout",
    errors.TooLarge: "too_large",
    errors.UnsupportedType: "unsupported_type",
    errors.NotAChestXray: "not_a_chest_xray",
    errors.InvalidRequest: "invalid_request",
    errors.Overloaded: "overloaded",
    errors.NoEvidence: "no_evidence",
    errors.NotReady: "not_ready",
    errors.DeadlineExceeded: "deadline_exceeded",
}

# What the framework raises by status.
_STATUSES: dict[int, Code] = {404: "not_found", 405: "method_not_allowed"}


def _is_none(value: object) -> bool:
    return value is None


class Problem(BaseModel):
    """An error, as RFC 9457 describes it, with a stable code."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="A name for this kind of problem; it cannot be fetched.")
    title: str = Field(description="What kind of problem it is, the same every time.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time, and what to do.")
    code: Code = Field(description="Stable name of the kind of problem; programs compare this.")
    request_id: str = Field(description="Find this request in the logs by it.")
    retry_after: int | None = Field(
        default=None, exclude_if=_is_none, description="Seconds after which to try again."
    )
    distance: float | None = Field(
        default=None,
        exclude_if=_is_none,
        description="How far the image lies from the chest X-rays the model was made for.",
    )
    limit: float | None = Field(
        default=None, exclude_if=_is_none, description="The largest distance that is accepted."
    )
    suspected_cause: SuspectedCause | None = Field(
        default=None,
        exclude_if=_is_none,
        description="What seems to have been done to a chest X-ray before it was sent.",
    )
    uids: UidsAnswer | None = Field(
        default=None,
        exclude_if=_is_none,
        description="Only where the query asks for them by `uids=true` and they could be read.",
    )


def make_problem(code: Code, detail: str, request_id: str) -> Problem:
    """A problem of a kind, with its status and title from the table."""
    status, title = TABLE[code]
    return Problem(
        type=f"urn:pneumonia-detection:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
    )


def problem_of(error: errors.PneumoniaError, request_id: str, with_uids: bool = False) -> Problem:
    """The problem that an error of ours is answered with.

    Args:
        error: what happened.
        request_id: of the request.
        with_uids: whether the caller asked which DICOM object it was.
    """
    problem = make_problem(_ERRORS[type(error)], error.detail, request_id)
    if with_uids and error.source is not None:
        problem = problem.model_copy(update={"uids": describe_uids(error.source.uids)})
    if isinstance(error, errors.NotAChestXray):
        return problem.model_copy(
            update={
                "distance": error.distance,
                "limit": error.limit,
                "suspected_cause": error.suspected_cause,
            }
        )
    if isinstance(error, errors.Overloaded):
        return problem.model_copy(update={"retry_after": error.retry_after})
    return problem


def unexpected(request_id: str) -> Problem:
    """The problem of an error that nobody foresaw, which is being handled; it is logged whole."""
    _logger.exception("unexpected error", extra={"fields": {"request_id": request_id}})
    return make_problem("internal", "Something went wrong here; the logs say what.", request_id)


def problem_response(
    problem: Problem, path: str = "", headers: dict[str, str] | None = None
) -> Response:
    """The answer that carries a problem, with the headers its kind asks for.

    Args:
        problem: what to tell.
        path: that was asked for; those of the Open Inference Protocol have errors of their own.
        headers: to add.
    """
    headers = dict(headers or {})
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.code == "unauthorized":
        headers["WWW-Authenticate"] = 'Bearer realm="pneumonia"'
    if path == OPEN_INFERENCE or path.startswith(f"{OPEN_INFERENCE}/"):
        return JSONResponse({"error": problem.detail}, problem.status, headers=headers)
    return Response(
        problem.model_dump_json(),
        problem.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


async def answer_error(request: Request, error: Exception) -> Response:
    """Exception handler for every error that is foreseen."""
    context = request_context_of(request.scope)
    problem, headers = _translate(error, context)
    context.code, context.distance = problem.code, problem.distance
    if isinstance(error, errors.PneumoniaError):
        context.source = error.source
    return problem_response(problem, request.scope["path"], headers)


def _translate(error: Exception, context: RequestContext) -> tuple[Problem, dict[str, str]]:
    request_id = context.request_id
    if isinstance(error, errors.PneumoniaError):
        return problem_of(error, request_id, context.with_uids), {}
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"])
        return make_problem("invalid_request", f"{place}: {first['msg']}.", request_id), {}
    if isinstance(error, HTTPException) and error.status_code in _STATUSES:
        code = _STATUSES[error.status_code]
        detail = HTTPStatus(error.status_code).description + "."
        return make_problem(code, detail, request_id), dict(error.headers or {})
    raise error
