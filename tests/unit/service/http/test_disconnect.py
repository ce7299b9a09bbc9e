"""Work for a client that may go away."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from service.http.disconnect import cancel_on_disconnect


class Client:
    """The receiving end of a request whose body was read."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}


def test_the_result_of_the_work() -> None:
    async def test() -> None:
        async def work() -> str:
            await asyncio.sleep(0)
            return "done"

        client = Client()
        assert await cancel_on_disconnect(client.receive, work()) == "done"
        assert len(asyncio.all_tasks()) == 1, "nothing goes on watching"

    asyncio.run(test())


def test_the_error_of_the_work() -> None:
    async def test() -> None:
        async def work() -> None:
            raise ValueError("of the work")

        with pytest.raises(ValueError, match="of the work"):
            await cancel_on_disconnect(Client().receive, work())

    asyncio.run(test())


def test_work_for_one_that_goes_is_cancelled() -> None:
    async def test() -> None:
        cancelled = asyncio.Event()
        client = Client()

        async def work() -> None:
            try:
                client.gone.set()
                await asyncio.sleep(60)
            finally:
                cancelled.set()

        with pytest.raises(ClientDisconnect):
            await cancel_on_disconnect(client.receive, work())
        assert cancelled.is_set()

    asyncio.run(test())


def test_work_ends_with_its_request() -> None:
    async def test() -> None:
        cancelled = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.set()

        request = asyncio.ensure_future(cancel_on_disconnect(Client().receive, work()))
        await asyncio.sleep(0.01)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert cancelled.is_set()

    asyncio.run(test())
