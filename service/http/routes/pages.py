"""What a browser opens: the page, the documentation, and their files, all from the package."""

import os
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FOLDER = Path(__file__).parents[2] / "web"

# not asked of the system, whose table of types may lack some or have others
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

_METHODS = ["GET", "HEAD"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

# ReDoc writes its styles into empty style elements as it runs, and one with a fixed text; a policy
# can name them by the hashes of what stands in them.
_POLICIES = {
    "redoc.html": _POLICY.replace(
        "style-src 'self'",
        "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
        "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
    )
}


class WebFiles(StaticFiles):
    """The files under ``service/web``; browsers keep them and ask whether they have changed."""

    def file_response(
        self,
        full_path: "os.PathLike[str] | str",
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """A file with its type and policy, or 304 to a browser that has it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        path = Path(full_path)
        response.headers["Accept-Ranges"] = "none"
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Content-Security-Policy"] = _POLICIES.get(path.name, _POLICY)
        if "content-type" in response.headers:
            response.headers["content-type"] = _TYPES[path.suffix]
        return response


def make_router() -> APIRouter:
    """The routes of the page, the documentation and their files."""
    files = WebFiles(directory=_FOLDER)
    router = APIRouter(include_in_schema=False)

    async def send(request: Request, name: str) -> Response:
        # A server may ignore ranges (RFC 9110 section 14.2). These files are small, and the
        # framework's errors for ranges are not problem+json.
        request.scope["headers"] = [item for item in request.headers.raw if item[0] != b"range"]
        return await files.get_response(name, request.scope)

    @router.api_route("/", methods=_METHODS)
    async def page(request: Request) -> Response:
        return await send(request, "index.html")

    @router.api_route("/docs", methods=_METHODS)
    async def swagger(request: Request) -> Response:
        return await send(request, "docs/swagger.html")

    @router.api_route("/redoc", methods=_METHODS)
    async def redoc(request: Request) -> Response:
        return await send(request, "docs/redoc.html")

    @router.api_route("/static/{name:path}", methods=_METHODS)
    async def static(request: Request, name: str) -> Response:
        return await send(request, name)

    return router
