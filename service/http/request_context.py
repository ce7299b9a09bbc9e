"""What is known about one request while it is answered, for its log line and its answers."""

import itertools
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.http.trace_context import TraceContext
from service.imaging.radiograph import Source

if TYPE_CHECKING:
    from starlette.types import Scope

_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_KEY = "context"
# asking the system for random bytes anew for each would give the interpreter's lock away each time
_PROCESS = secrets.token_hex(8)
_numbers = itertools.count()


@dataclass
class RequestContext:
    """Notes that the layers of one request leave for each other.

    Attributes:
        request_id: the client's own where it is sane, else made here.
        code: of the problem it was answered with.
        distance: of an image that was refused for it.
        decision: that was answered.
        trace: where the caller's trace says that the request belongs.
        key_id: of the API key it came with, see :class:`service.http.api_keys.ApiKeys`.
        source: of a DICOM file that was refused.
        with_uids: whether the query asks which DICOM object the image is.
    """

    request_id: str
    code: str | None = None
    distance: float | None = None
    decision: str | None = None
    trace: TraceContext | None = None
    key_id: str | None = None
    source: Source | None = None
    with_uids: bool = False

    def identity(self) -> dict[str, object]:
        """Which request it is and who sent it, for a log line."""
        fields: dict[str, object] = {"request_id": self.request_id}
        if self.trace:
            fields |= {"trace_id": self.trace.trace_id, "parent_id": self.trace.parent_id}
        if self.key_id:
            fields["key"] = self.key_id
        return fields


def new_request_id() -> str:
    """An id that no other request has."""
    return f"{_PROCESS}{next(_numbers):016x}"


def start_request_context(scope: "Scope") -> RequestContext:
    """Begin the notes of a request and leave them in its scope."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    request_id = given.decode("ascii") if _SANE.fullmatch(given) else new_request_id()
    context = RequestContext(request_id, trace=TraceContext.of(scope))
    scope.setdefault("state", {})[_KEY] = context
    return context


def request_context_of(scope: "Scope") -> RequestContext:
    """The notes of the request with this scope."""
    context: RequestContext = scope["state"][_KEY]
    return context
