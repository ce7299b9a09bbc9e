"""The short way to what judges images, past all that the framework does on the way to a route.

In an overload most requests are refused here, by their head alone, on the cores that the accepted
ones need: what a request costs that is shed is lost to those that are answered (`make overload`
measures it).
"""

from collections.abc import Iterable

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import PneumoniaError
from service.http.problems import answer_error
from service.http.routes.work import WorkRoute


class Gate:
    """Innermost middleware: takes requests for work to their routes itself."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        """Stand before an application.

        Args:
            app: what answers all others.
            routes: of the application; those that are work have no parameters in their paths.
        """
        self._app = app
        self._routes = {route.path: route for route in routes if isinstance(route, WorkRoute)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = route  # under which it is counted and logged
        request = Request(scope, receive)
        response: Response
        try:
            response = await route.answer(request)
        except (PneumoniaError, RequestValidationError) as error:
            response = await answer_error(request, error)
        await response(scope, receive, send)
