"""What needs no framework: to refuse by the head alone, and to answer the plainest request.

In an overload most requests end here, on the cores that the accepted ones need: what a request
costs that is shed is lost to those that are answered (`make overload` measures it). And where a
request asks for nothing but the usual, finding its route, solving its dependencies and checking its
answer cost some 5 % of what the prediction itself does (`make bench` measures what HTTP costs).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import PneumoniaError
from service.problems import answer_error
from service.runtime import Runtime
from service.security import check_key

Handler: TypeAlias = Callable[[Request, Runtime], Awaitable[Response]]


class Gate:
    """Innermost middleware: lets requests for work through that have a key and a chance."""

    def __init__(
        self,
        app: ASGIApp,
        runtime: Runtime,
        routes: Iterable[BaseRoute],
        plain: Mapping[str, Handler],
    ) -> None:
        """Stand before an application.

        Args:
            app: what answers those who get in.
            runtime: whose keys and admission count.
            routes: that are work, without parameters in their paths; others pass.
            plain: path -> what answers a request to it that has no query, as the route would.
        """
        self._app = app
        self._runtime = runtime
        self._plain = plain
        self._routes = {route.path: route for route in routes if isinstance(route, Route)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is not None and self._runtime.ready and scope["method"] == "POST":
            scope["route"] = route  # under which it is counted and logged
            request = Request(scope, receive)
            plain = None if scope["query_string"] else self._plain.get(scope["path"])
            response = None
            try:
                check_key(request, self._runtime.settings.api_key_sha256)
                self._runtime.admission.check()
                if plain is not None:
                    response = await plain(request, self._runtime)
            except PneumoniaError as error:
                response = await answer_error(request, error)
            if response is not None:
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
