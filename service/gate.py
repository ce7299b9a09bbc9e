"""Refuses what will not be worked on by its head alone, before its body is read.

In an overload most requests end here, on the cores that the accepted ones need: what a request
costs that is shed is lost to those that are answered (`make overload` measures it).
"""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import PneumoniaError
from service.problems import answer_error
from service.runtime import Runtime
from service.security import check_key


class Gate:
    """Innermost middleware: lets requests for work through that have a key and a chance."""

    def __init__(self, app: ASGIApp, runtime: Runtime, routes: Iterable[BaseRoute]) -> None:
        """Stand before an application.

        Args:
            app: what answers those who get in.
            runtime: whose keys and admission count.
            routes: that are work, without parameters in their paths; others pass.
        """
        self._app = app
        self._runtime = runtime
        self._routes = {route.path: route for route in routes if isinstance(route, Route)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is not None and self._runtime.ready and scope["method"] == "POST":
            scope["route"] = route  # under which it is counted and logged
            request = Request(scope, receive)
            try:
                check_key(request, self._runtime.settings.api_key_sha256)
                self._runtime.admission.check()
            except PneumoniaError as error:
                response = await answer_error(request, error)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
