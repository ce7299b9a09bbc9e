"""The application in this process, without a socket, for tests that are not asynchronous."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from tests.waiting import wait_until


class AppClient:
    """Sends requests to an application that runs in an event loop on another thread.

    Attributes:
        app: the application.
        portal: into its event loop.
    """

    def __init__(self, app: FastAPI, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self.app = app
        self.portal = portal
        self._client = client

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """As :meth:`httpx.Client.request`."""
        return self.portal.call(partial(self._client.request, method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        """As :meth:`httpx.Client.get`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """As :meth:`httpx.Client.post`."""
        return self.request("POST", path, **options)

    def wait_until_ready(self) -> None:
        """Poll ``/health/ready``."""
        wait_until(lambda: self.get("/health/ready").status_code == 200, "ready")


@contextmanager
def running(app: FastAPI) -> Iterator[AppClient]:
    """Start an application, with its lifespan, and stop it at the end of the block."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
        portal.wrap_async_context_manager(
            httpx.AsyncClient(transport=transport, base_url="http://service")
        ) as client,
    ):
        yield AppClient(app, portal, client)
