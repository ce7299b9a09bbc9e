"""HTTP/1.1 on one connection, with bounds the server's own protocol does not have.

Without them a client may send a header that never ends, which is kept in memory, or send nothing
or read nothing and keep its connection for ever.
"""

import asyncio
import logging
import re
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.problems import make_problem, problem_response
from service.http.request_context import new_request_id

_logger = logging.getLogger("service.access")

HEAD_SECONDS = 20.0
# in which a client must have read a part of its answer, each time
READ_SECONDS = 20.0
# for the rest of a body whose answer is out: see `service.process.linger`
REST_SECONDS = 20.0
MOST_FRAMING_BYTES = 64 * 1024

# Java's clients offer HTTP/2 by it where there is no TLS. Nothing is upgraded to here, and the
# parser would take the body of such a request for the other protocol's, and drop it.
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, but heads must end and answers be read in time, and framing is bounded.

    Framing is everything that is not body: request line, headers, chunk sizes, trailers.
    """

    _framing = 0
    _in_head = True
    _head_so_far = b""  # as much of it as its end may begin in
    _progressed = False
    _deadline: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(transport)
        self._start_clock(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clocks."""
        self._stop_clock()
        if self._reading is not None:
            self._reading.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and refuse framing that does not end."""
        self._progressed = False
        sent = data
        if self._in_head:
            data = _without_upgrade(data, self._head_so_far)
        super().data_received(data)
        in_head = self._in_head and not self._progressed
        self._head_so_far = sent[1 - len(_HEAD_END) :] if in_head else b""
        self._framing = 0 if self._progressed else self._framing + len(data)
        if self.transport.is_closing():
            return
        if self._framing > MOST_FRAMING_BYTES:
            self.send_400_response("The headers are too large.")
        elif in_head and self._deadline is None:
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
            # the server's own timer for the next request has run since the answer, and was stopped
            self._start_clock(HEAD_SECONDS)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is out; it must be read, and what is left of its request come, in time."""
        super().on_response_complete()
        self._expect_reading()
        # a request that came behind it has its own time
        answered_early = not self._in_head and self.cycle.response_complete
        if answered_early and not self.transport.is_closing():
            self._start_clock(REST_SECONDS)

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        super().pause_writing()
        self._expect_reading()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as every other error is answered, and close."""
        request_id = new_request_id()
        response = problem_response(make_problem("bad_request", msg, request_id))
        fields = {"request_id": request_id, "status": 400, "code": "bad_request"}
        _logger.info("request", extra={"fields": fields})
        if "metrics" in self.app_state:
            self.app_state["metrics"].count_refusal("bad_request")
        own = [(b"connection", b"close"), (b"x-request-id", request_id.encode())]
        head = [*own, *response.raw_headers]
        lines = b"".join(b"%s: %s\r\n" % header for header in head)
        content = cast("bytes", response.body)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + lines + b"\r\n" + content)
        self.transport.close()

    def _expect_reading(self, left_before: int | None = None) -> None:
        """Give up a connection whose client reads nothing of what waits for it."""
        if self._reading is not None:
            self._reading.cancel()
        left = self.transport.get_write_buffer_size()
        if left_before is not None and left >= left_before:
            self.transport.abort()
        elif left:
            self._reading = self.loop.call_later(READ_SECONDS, self._expect_reading, left)

    def _start_clock(self, seconds: float) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _without_upgrade(data: bytes, before: bytes) -> bytes:
    """Bytes that begin in a request's head, with no offer to upgrade in it.

    One whose name is split over two segments of TCP is not seen.

    Args:
        data: as received.
        before: the last bytes of the same head that were received before.
    """
    end = (before + data).find(_HEAD_END) - len(before)
    found = _UPGRADE.search(data, 0, max(0, end) if end >= -len(before) else len(data))
    return data[: found.start() + 2] + b"x-" + data[found.start() + 2 :] if found else data
