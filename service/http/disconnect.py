"""Work that stops waiting when the client goes away; the framework does not see to that itself."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


async def cancel_on_disconnect(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``, and cancel it when the client closes its connection.

    Args:
        receive: of a request whose body has been read to its end.
        work: what to do for the client; cancelling must be safe.

    Raises:
        ClientDisconnect: the client went away first.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)
        del task  # it holds its error, whose traceback holds this frame and so the upload


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
