"""HTTP/1.1 on one connection, with bounds the server's own protocol does not have.

Without them a client may send a header that never ends, which is kept in memory, or send nothing
and keep its connection for ever.
"""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.problems import make_problem, problem_response
from service.trace import new_request_id

HEAD_SECONDS = 20.0
# for the rest of a body whose answer is out: see `service.linger`
REST_SECONDS = 20.0
MOST_FRAMING_BYTES = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, but a request's head must end in time, and framing has a largest size.

    Framing is everything that is not body: request line, headers, chunk sizes, trailers.
    """

    _framing = 0
    _in_head = True
    _progressed = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(transport)
        self._start_clock(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and refuse framing that does not end."""
        self._progressed = False
        super().data_received(data)
        self._framing = 0 if self._progressed else self._framing + len(data)
        if self.transport.is_closing():
            return
        if self._framing > MOST_FRAMING_BYTES:
            self.send_400_response("The headers are too large.")
        elif self._in_head and not self._progressed and self._deadline is None:
            self._start_clock(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._progressed = True
        self._in_head = False
        self._stop_clock()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body is there."""
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there; another may follow."""
        self._progressed = True
        self._in_head = True
        if self.cycle.response_complete:
            self._stop_clock()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is out; what is left of its request must come in time."""
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            self._start_clock(REST_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as every other error is answered, and close."""
        response = problem_response(make_problem("bad_request", msg, new_request_id()))
        head = [(b"connection", b"close"), *response.raw_headers]
        lines = b"".join(b"%s: %s\r\n" % header for header in head)
        content = cast("bytes", response.body)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + lines + b"\r\n" + content)
        self.transport.close()

    def _start_clock(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
