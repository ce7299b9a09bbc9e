"""W3C Trace Context: which trace of a distributed system a request belongs to.

https://www.w3.org/TR/trace-context/#traceparent-header. This service starts no span of its own; its
log lines name the caller's.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from starlette.types import Scope

# version, trace, parent, flags; what a later version adds stands behind another hyphen
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_FIRST_VERSION, _NO_VERSION = b"00", b"ff"


@dataclass(frozen=True)
class TraceContext:
    """The caller's place in a trace.

    Attributes:
        trace_id: 32 hexadecimal digits.
        parent_id: of the span that sent the request, 16 hexadecimal digits.
    """

    trace_id: str
    parent_id: str

    @classmethod
    def of(cls, scope: "Scope") -> Self | None:
        """What the request's ``traceparent`` says; None without one valid header."""
        sent = [value for name, value in scope["headers"] if name == b"traceparent"]
        match = _TRACEPARENT.fullmatch(sent[0]) if len(sent) == 1 else None
        if match is None:
            return None
        version, trace, parent, more = match.groups()
        if version == _NO_VERSION or (version == _FIRST_VERSION and more):
            return None
        if not trace.strip(b"0") or not parent.strip(b"0"):
            return None
        return cls(trace.decode(), parent.decode())
