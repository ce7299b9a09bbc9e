"""HTTP/1.1 on one connection: what uvicorn's protocol lacks for a port that anybody may reach.

It waits for the end of a request's head for ever, bounds neither head nor trailers, and loses the
body of a request that offers another protocol. How slowly a client may send a body or read an
answer is the reverse proxy's to bound: see "Behind a reverse proxy" in docs/operations.md.
"""

import asyncio
import logging
import re
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.problem_details import make_problem
from service.http.problems import problem_response
from service.http.request_context import new_request_id

_logger = logging.getLogger("service.access")

HEAD_SECONDS = 20.0
# request line and headers, or the chunk sizes and trailers between two pieces of a body
MAX_HEAD_BYTES = 64 * 1024
# httptools takes what follows such a head for the other protocol, and so drops the body. Java's
# HTTP client and `curl --http2` offer h2c with every first request; a server may ignore the offer.
_HEAD_END = b"\r\n\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r]*(?=\r)", re.IGNORECASE)
# bytes at the end of a read that may be the beginning of either; they wait for the next read
_PARTIAL = re.compile(rb"\r\n\r\Z|\r(?:\nupgrade:[^\r]*|\n?u?p?g?r?a?d?e?)\Z", re.IGNORECASE)


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with heads bounded in time and size, and no upgrades.

    A head must be complete :data:`HEAD_SECONDS` after the connection was made or the answer before
    it was sent; between two requests uvicorn closes an idle connection sooner.
    """

    _in_head = True
    _head_bytes = 0
    _held = b""  # the end of what was read of a head, see _PARTIAL
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first head."""
        super().connection_made(transport)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; a head that is too large is refused."""
        self._head_bytes += len(data)
        if self._in_head:
            data = self._held + data
            end = data.find(_HEAD_END)
            head, rest = (data, b"") if end < 0 else (data[: end + 2], data[end + 2 :])
            head = _UPGRADE.sub(b"", head)
            partial = _PARTIAL.search(head) if end < 0 else None
            self._held = partial[0] if partial else b""
            data = head.removesuffix(self._held) + rest
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too large.")

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head = False
        self._head_bytes = 0
        self._held = b""
        self._stop_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete; another head may follow."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()
        self._expect_head()

    def on_response_complete(self) -> None:
        """The answer is sent; another head may follow."""
        super().on_response_complete()
        self._expect_head()

    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP with problem+json, a log line and a count, as every error."""
        request_id = new_request_id()
        response = problem_response(make_problem("bad_request", msg, request_id))
        fields = {"request_id": request_id, "status": 400, "code": "bad_request"}
        _logger.info("request", extra={"fields": fields})
        if "metrics" in self.app_state:
            self.app_state["metrics"].count_refusal("bad_request")
        own = [(b"connection", b"close"), (b"x-request-id", request_id.encode())]
        lines = [b"%s: %s\r\n" % header for header in (*own, *response.raw_headers)]
        content = cast("bytes", response.body)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + b"".join(lines) + b"\r\n" + content)
        self.transport.close()

    def _expect_head(self) -> None:
        """Start the deadline, unless a request is still being received or answered."""
        if self._in_head and self.cycle.response_complete:
            self._start_deadline()

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
