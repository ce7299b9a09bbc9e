"""Problem Details (RFC 9457), and the one table of codes and titles, without the web framework."""

from typing import Literal, TypeAlias, cast, get_args

from pydantic import BaseModel, ConfigDict, Field

from service import errors
from service.errors import SuspectedCause
from service.http.uids import UidsAnswer, describe_uids

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
    problem = make_problem(cast("Code", error.code), error.detail, request_id)
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
