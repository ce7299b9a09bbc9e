"""What uvicorn's protocol lacks: heads that end in time, and bodies behind an offer to upgrade."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.process import protocol
from tests.waiting import PATIENCE_SECONDS


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Says hello."""
    await PlainTextResponse("hello")(scope, receive, send)


async def counting(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how many bytes it was sent."""
    count = len(await Request(scope, receive).body())
    await PlainTextResponse(f"{count} bytes")(scope, receive, send)


Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 2.5)


def serve(client: Client, app: ASGIApp = app) -> None:
    """Run a client against a server of this protocol."""

    async def run() -> None:
        config = uvicorn.Config(
            app, http=protocol.BoundedProtocol, lifespan="off", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve([listener]))
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            try:
                await asyncio.wait_for(client(reader, writer), PATIENCE_SECONDS)
            finally:
                writer.close()
                server.should_exit = True
                await serving

    asyncio.run(run())


async def closed_after(reader: asyncio.StreamReader, begun: float) -> float:
    """Seconds since a moment when the server had not begun to wait yet."""
    # A byte sent after the server has closed is answered with a reset: that is an end as well.
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    return time.monotonic() - begun


def test_a_connection_that_asks_nothing_is_closed() -> None:
    begun = time.monotonic()

    async def client(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert await closed_after(reader, begun) > 2

    serve(client)


def test_a_head_that_drips_is_closed() -> None:
    begun = time.monotonic()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.create_task(closed_after(reader, begun))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Drip: ")
        while not end.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        assert await end > 2

    serve(client)


def test_the_second_head_of_a_connection_has_its_time_too() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        for _ in range(3):
            writer.write(request[:10])
            await asyncio.sleep(1)
            begun = time.monotonic()
            writer.write(request[10:])
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
        writer.write(request[:10])
        assert await closed_after(reader, begun) > 2

    serve(client)


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(3)
    await app(scope, receive, send)


# Java's HTTP client and `curl --http2` make it where there is no TLS
OFFER = (
    b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"UPGRADE: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 6\r\n\r\n"
)


def test_an_offer_to_upgrade_costs_no_body_wherever_its_segments_end() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for cut in (0, *range(OFFER.index(b"UPGRADE") - 2, OFFER.index(b"HTTP2-S", 70) + 1)):
            writer.write(OFFER[:cut])
            await asyncio.sleep(0.02)
            writer.write(OFFER[cut:] + b"pixels")
            assert (await reader.readuntil(b"6 bytes")).startswith(b"HTTP/1.1 200 ")
        for cut in range(1, 5):
            writer.write(OFFER[:-cut])
            await asyncio.sleep(0.02)
            writer.write(OFFER[-cut:])
            await asyncio.sleep(0.02)
            writer.write(b"pixels")
            assert (await reader.readuntil(b"6 bytes")).startswith(b"HTTP/1.1 200 ")

    serve(client, counting)


def test_an_offer_sent_byte_by_byte_costs_no_body() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in OFFER + b"pixels":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        assert (await reader.readuntil(b"6 bytes")).startswith(b"HTTP/1.1 200 ")

    serve(client, counting)


def test_a_body_is_not_taken_for_a_head_wherever_segments_end() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n"
    body = b"pixel\r\nUpgrade: 12345"

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for cut in range(1, 5):
            writer.write(head[:-cut])
            await asyncio.sleep(0.1)
            writer.write(head[-cut:] + body)
            assert (await reader.readuntil(b"21 bytes")).startswith(b"HTTP/1.1 200 ")

    serve(client, counting)


REFUSED = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"


def test_the_rest_of_a_body_that_was_answered_is_thrown_away() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(REFUSED)
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
            writer.write(bytes(100_000))

    serve(client)


def test_a_connection_is_closed_that_asks_nothing_after_the_rest_of_a_body() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun = time.monotonic()
        writer.write(REFUSED)
        await reader.readuntil(b"hello")
        writer.write(bytes(100_000))
        assert await closed_after(reader, begun) > 2

    serve(client)


def test_a_pipelined_request_has_the_time_that_its_answer_takes() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        for _ in range(2):
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")

    serve(client, slow)
