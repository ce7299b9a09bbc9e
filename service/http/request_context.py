"""What is known about one request while it is answered, for its log line and its answers."""

import itertools
import re
import secrets
from dataclasses import dataclass

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
    """

    request_id: str
    code: str | None = None
    distance: float | None = None
    decision: str | None = None


def new_request_id() -> str:
    """An id that no other request has."""
    return f"{_PROCESS}{next(_numbers):016x}"


def start_request_context(scope: Scope) -> RequestContext:
    """Begin the notes of a request and leave them in its scope."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    context = RequestContext(given.decode("ascii") if _SANE.fullmatch(given) else new_request_id())
    scope.setdefault("state", {})[_KEY] = context
    return context


def request_context_of(scope: Scope) -> RequestContext:
    """The notes of the request with this scope."""
    context: RequestContext = scope["state"][_KEY]
    return context
