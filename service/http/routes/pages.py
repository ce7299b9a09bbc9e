"""What a browser opens: the page, the documentation, and their files, all from the package."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_FOLDER = Path(__file__).parents[2] / "web"

# Said here and not asked of the system, whose table may lack or bend them.
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
_REDOC_POLICY = _POLICY.replace(
    "style-src 'self'",
    "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
)


@dataclass(frozen=True)
class _File:
    """A file of the package, as it is sent."""

    content: bytes
    media_type: str
    etag: str


def _read(path: Path) -> _File:
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return _File(content, _TYPES[path.suffix], etag)


class Pages:
    """All files under ``service/web``, read once; a name that is not among them is not found."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _read(path)
            for path in folder.rglob("*")
            if path.suffix in _TYPES
        }

    def answer(self, request: Request, name: str, policy: str = _POLICY) -> Response:
        """Send a file, or 304 to a browser that has it.

        Raises:
            starlette.exceptions.HTTPException: 404, there is no such file.
        """
        file = self._files.get(name)
        if file is None:
            raise HTTPException(404)
        headers = {
            "ETag": file.etag,
            "Cache-Control": "no-cache",
            "Content-Security-Policy": policy,
        }
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)


def make_router() -> APIRouter:
    """The routes of the page, the documentation and their files."""
    pages = Pages()
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=_METHODS)
    async def page(request: Request) -> Response:
        return pages.answer(request, "index.html")

    @router.api_route("/docs", methods=_METHODS)
    async def swagger(request: Request) -> Response:
        return pages.answer(request, "docs/swagger.html")

    @router.api_route("/redoc", methods=_METHODS)
    async def redoc(request: Request) -> Response:
        return pages.answer(request, "docs/redoc.html", _REDOC_POLICY)

    @router.api_route("/static/{name:path}", methods=_METHODS)
    async def static(request: Request, name: str) -> Response:
        return pages.answer(request, name)

    return router
