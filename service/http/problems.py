"""Errors as responses, by default of the type ``application/problem+json``."""

import logging
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service import errors
from service.http.problem_details import Code, Problem, make_problem, problem_of
from service.http.request_context import RequestContext, request_context_of

MEDIA_TYPE = "application/problem+json"
OPEN_INFERENCE = "/v2"

_logger = logging.getLogger("service.http.problems")

# What the framework raises by status.
_STATUSES: dict[int, Code] = {404: "not_found", 405: "method_not_allowed"}


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
