"""Answers that go out before the whole body came in, so that the client gets to read them.

Closing a connection that still receives makes the kernel reset it, and the reset can overtake the
answer: a client that was refused for the size of its upload would only see a broken pipe. Reading
on for a while, keeping nothing, and closing then, is what web servers call a lingering close.

Where the rest of the body is short, the connection is not closed at all: the protocol throws the
rest away, in bounded time, and the next request comes through the same connection.
"""

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

IDLE_SECONDS = 5.0
LINGER_SECONDS = 30.0
SHORT_BYTES = 2**22


class Linger:
    """Middleware that closes politely after an answer to an unfinished request."""

    def __init__(
        self, app: ASGIApp, idle_seconds: float = IDLE_SECONDS, seconds: float = LINGER_SECONDS
    ) -> None:
        """Wrap an application.

        Args:
            app: what answers.
            idle_seconds: how long the next piece of a body is waited for.
            seconds: how long the rest of a body is read and thrown away.
        """
        self._app = app
        self._idle_seconds = idle_seconds
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _has_body(scope) or _is_short(scope):
            await self._app(scope, receive, send)
            return
        begun = ended = False

        async def watched_receive() -> Message:
            nonlocal begun, ended
            begun = True
            message = await receive()
            ended = ended or not message.get("more_body", False)
            return message

        async def polite_send(message: Message) -> None:
            if ended:
                await send(message)
            elif message["type"] == "http.response.start":
                await send({**message, "headers": [*message["headers"], (b"connection", b"close")]})
            elif message.get("more_body", False):
                await send(message)
            else:
                await send({**message, "more_body": True})
                # a client that waits for "100 Continue" has sent nothing and will not
                if begun or (b"expect", b"100-continue") not in scope["headers"]:
                    await self._discard(watched_receive)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, watched_receive, polite_send)

    async def _discard(self, receive: Receive) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                more = True
                while more:
                    message = await asyncio.wait_for(receive(), self._idle_seconds)
                    more = message.get("more_body", False)


def _has_body(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return b"content-length" in names or b"transfer-encoding" in names


def _is_short(scope: Scope) -> bool:
    """Whether the connection can outlive an early answer."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    return (
        length.isdigit()
        and int(length[:18]) <= SHORT_BYTES
        and scope.get("http_version") == "1.1"
        and b"expect" not in headers
        and b"close" not in headers.get(b"connection", b"").lower()
    )
