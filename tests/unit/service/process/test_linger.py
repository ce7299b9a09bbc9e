"""Answers to requests whose body is still coming."""

import asyncio
import time
from collections.abc import Iterable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.process.linger import Linger
from tests.waiting import PATIENCE_SECONDS


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without reading."""
    await PlainTextResponse("no", 413)(scope, receive, send)


async def read(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads everything, then answers."""
    while (await receive()).get("more_body"):
        pass
    await PlainTextResponse("yes")(scope, receive, send)


class Exchange:
    """One request and what is done with it."""

    def __init__(self, pieces: Iterable[bytes | float], *headers: tuple[bytes, bytes]) -> None:
        self.pieces = list(pieces)
        self.headers = [(b"content-length", b"1000"), *headers]
        self.sent: list[Message] = []
        self.order: list[str] = []

    async def receive(self) -> Message:
        self.order.append("receive")
        piece = self.pieces.pop(0)
        if isinstance(piece, float):
            await asyncio.sleep(piece)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def send(self, message: Message) -> None:
        self.order.append("send")
        self.sent.append(message)

    def run(
        self, app: ASGIApp, idle_seconds: float = 600, seconds: float = 600, version: str = "1.0"
    ) -> None:
        scope = {
            "type": "http",
            "http_version": version,
            "method": "POST",
            "headers": self.headers,
        }
        asyncio.run(Linger(app, idle_seconds, seconds)(scope, self.receive, self.send))

    @property
    def closes(self) -> bool:
        return (b"connection", b"close") in self.sent[0]["headers"]


def test_an_answer_after_the_body_is_left_alone() -> None:
    exchange = Exchange([b"x", b"y"])
    exchange.run(read)
    assert exchange.order == ["receive", "receive", "send", "send"]
    assert not exchange.closes
    assert not exchange.sent[-1].get("more_body")


def test_the_rest_of_the_body_is_read_after_the_answer() -> None:
    exchange = Exchange([b"x", b"y", b"z"])
    exchange.run(refuse)
    assert exchange.order == ["send", "send", "receive", "receive", "receive", "send"]
    assert exchange.closes
    _, answer, end = exchange.sent
    assert (answer["body"], answer["more_body"]) == (b"no", True)
    assert (end["body"], end["more_body"]) == (b"", False)


def test_a_rest_that_does_not_come_is_not_waited_for() -> None:
    exchange = Exchange([b"x", 600.0, b"z"])
    begun = time.monotonic()
    exchange.run(refuse, idle_seconds=0.1)
    assert time.monotonic() - begun < PATIENCE_SECONDS
    assert exchange.sent[-1]["more_body"] is False


def test_a_rest_that_has_no_end_is_not_read_for_ever() -> None:
    exchange = Exchange([0.02] * 1000)
    exchange.run(refuse, seconds=0.2)
    assert exchange.pieces
    assert exchange.sent[-1]["more_body"] is False


def test_a_client_that_waits_to_be_asked_is_not_waited_for() -> None:
    exchange = Exchange([600.0], (b"expect", b"100-continue"))
    exchange.run(refuse)
    assert exchange.order == ["send", "send", "send"]
    assert exchange.closes


def test_a_connection_outlives_an_answer_to_a_short_body() -> None:
    exchange = Exchange([b"x", b"y"])
    exchange.run(refuse, version="1.1")
    assert exchange.order == ["send", "send"], "the protocol reads the rest"
    assert not exchange.closes
    for header in (
        (b"content-length", b"%d" % 2**31),
        (b"content-length", b"many"),
        (b"expect", b"100-continue"),
        (b"connection", b"Close"),
    ):
        exchange = Exchange([b"x", b"y"], header)
        exchange.run(refuse, version="1.1")
        assert exchange.closes, header
