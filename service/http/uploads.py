"""Reading what is uploaded: counted, timed, bounded, kept in memory once and never on disk."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from service.errors import (
    InvalidRequest,
    Overloaded,
    PneumoniaError,
    RequestTimeout,
    UnsupportedType,
)
from service.http.forms import FileForm, too_many_bytes

# what a form may hold beside its files: boundaries and part headers
_FORM_OVERHEAD = 64 * 1024

_RAW_TYPES = (b"application/dicom", b"application/octet-stream")


class UploadMemory:
    """Bounds the bytes of all uploads that are held at the same time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = limit

    @contextmanager
    def hold(self) -> Iterator["Hold"]:
        """A hold to take bytes with; they are given back at the end of the block."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            self._free += hold.taken

    def take(self, size: int) -> None:
        """Count bytes that were read.

        Raises:
            Overloaded: the uploads that are held leave no room.
        """
        if size > self._free:
            raise Overloaded("The uploads being read fill the memory set aside.", retry_after=1)
        self._free -= size


@dataclass
class Hold:
    """The bytes one request holds."""

    memory: UploadMemory
    taken: int = 0

    def take(self, size: int) -> None:
        """Count bytes that this request read; see :meth:`UploadMemory.take`."""
        self.memory.take(size)
        self.taken += size


@dataclass(frozen=True)
class UploadReader:
    """Reads the body of requests.

    Attributes:
        max_bytes: largest file.
        max_batch: most files in one form.
        seconds: longest time a body may take.
    """

    max_bytes: int
    max_batch: int
    seconds: float

    async def read_one(self, request: Request, hold: Hold) -> bytes:
        """The bytes of one image, from the form field ``file`` or from the body itself.

        Raises:
            TooLarge: more bytes than allowed, announced or sent.
            RequestTimeout: the body did not arrive in time.
            InvalidRequest: the form is malformed or lacks the field.
            UnsupportedType: the body is of a type that holds no image.
            Overloaded: there is no memory for it now.
            starlette.requests.ClientDisconnect: the client went away.
        """
        kind, boundary = _content_type(request)
        if boundary is not None:
            form = FileForm(boundary, "file", 1, self.max_bytes)
            (file,) = await self._read_form(request, hold, form, 1)
            if isinstance(file, PneumoniaError):
                raise file
            return file
        if kind and not kind.startswith(b"image/") and kind not in _RAW_TYPES:
            raise UnsupportedType(
                "The content type is none of an image. Send multipart/form-data with the field "
                "file, or the image itself as image/*, application/dicom or "
                "application/octet-stream."
            )
        return await self.read_body(request, hold)

    async def read_many(self, request: Request, hold: Hold) -> list[bytes | PneumoniaError]:
        """The images of a form's fields ``files``, each whole or with why it was refused.

        Raises:
            PneumoniaError: as :meth:`read_one`, where it concerns the request as a whole.
        """
        _, boundary = _content_type(request)
        if boundary is None:
            raise UnsupportedType("Send multipart/form-data with one field files for each image.")
        form = FileForm(boundary, "files", self.max_batch, self.max_bytes)
        return await self._read_form(request, hold, form, self.max_batch)

    async def read_body(self, request: Request, hold: Hold) -> bytes:
        """The whole body, whatever it is.

        Raises:
            PneumoniaError: as :meth:`read_one`, where it concerns no form.
        """
        # unlike a list it stays small however small the chunks are, and its bytes come out uncopied
        content = BytesIO()
        await self._read(request, hold, content.write, self.max_bytes)
        return content.getvalue()

    async def _read_form(
        self, request: Request, hold: Hold, form: FileForm, most_files: int
    ) -> list[bytes | PneumoniaError]:
        await self._read(
            request, hold, form.feed, most_files * self.max_bytes, overhead=_FORM_OVERHEAD
        )
        return form.files()

    async def _read(
        self,
        request: Request,
        hold: Hold,
        keep: Callable[[bytes], object],
        limit: int,
        overhead: int = 0,
    ) -> None:
        # what would fill the memory for all uploads never fits, however often it is tried
        limit = min(limit, hold.memory.limit)
        most = min(limit + overhead, hold.memory.limit)
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced[:18]) > most:
            raise too_many_bytes(limit)
        try:
            async with asyncio.timeout(self.seconds):
                async for chunk in request.stream():
                    if hold.taken + len(chunk) > most:
                        raise too_many_bytes(limit)
                    hold.take(len(chunk))
                    keep(chunk)
        except TimeoutError:
            raise RequestTimeout(
                f"The upload did not arrive within {self.seconds:g} s. Send a smaller file, or "
                "use a faster connection."
            ) from None


def _content_type(request: Request) -> tuple[bytes, bytes | None]:
    """The media type, and the boundary when it is a form."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        return kind, None
    boundary = options.get(b"boundary")
    if not boundary:
        raise InvalidRequest("The content type multipart/form-data has no boundary.")
    return kind, boundary
