"""What every request gets: an id, headers, a count, a log line, and an answer whatever happens."""

import asyncio
import logging
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problem_details import Problem, make_problem
from service.http.problems import problem_response, unexpected
from service.http.request_context import RequestContext, start_request_context
from service.runtime.metrics import Metrics

_logger = logging.getLogger("service.access")

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

# nginx's number for a client that went away before its answer; it is counted, never sent
_CLIENT_GONE = 499

_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


class Observe:
    """Outermost middleware of ours; plain ASGI, so that bodies stream through untouched."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = start_request_context(scope)
        begun = time.perf_counter()
        answered: float | None = None
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _with_defaults(message["headers"], context)}
            elif not message.get("more_body", False):
                answered = time.perf_counter()  # sending may take as long as the client likes
            await send(message)

        async def fail(problem: Problem) -> None:
            context.code = problem.code
            await problem_response(problem, scope["path"])(scope, receive, send_with_headers)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = _CLIENT_GONE
        except asyncio.CancelledError:
            # Only the server cancels a request, when the time to drain is over. This is the outer
            # end of the request's task, so answering is the last thing it does.
            if status:
                raise
            sentence = "The service shut down before the answer was there."
            await fail(make_problem("not_ready", sentence, context.request_id))
        except Exception:
            problem = unexpected(context.request_id)
            if status:
                raise
            await fail(problem)
        finally:
            self._metrics.in_flight.dec()
            self._record(scope, context, status, (answered or time.perf_counter()) - begun)

    def _record(self, scope: Scope, context: RequestContext, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.requests.labels(route, method, str(status)).inc()
        # a probe is told, not refused
        if context.code and "/health" not in route and not route.endswith("/ready"):
            self._metrics.count_refusal(context.code, context.distance, context.source)
        fields = {
            **context.identity(),
            "method": method,
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1e3, 3),
        }
        if context.code:
            fields["code"] = context.code
        if context.decision:
            fields["decision"] = context.decision
        _logger.info("request", extra={"fields": fields})


def _with_defaults(
    headers: list[tuple[bytes, bytes]], context: RequestContext
) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    missing = [(name, value) for name, value in _HEADERS.items() if name not in present]
    return [*headers, *missing, (b"x-request-id", context.request_id.encode())]
