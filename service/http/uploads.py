"""Reading what is uploaded: counted, timed, bounded, kept in memory once and never on disk."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from service.errors import (
    InvalidRequest,
    Overloaded,
    PneumoniaError,
    RequestTimeout,
    TooLarge,
    UnsupportedType,
)

# what a form may hold beside its files: boundaries, part headers and other fields
_FORM_OVERHEAD = 64 * 1024
_OTHER_PARTS = 100
_MOST_HEADERS = 8
_LARGEST_HEADER = 4096

_RAW_TYPES = (b"application/dicom", b"application/octet-stream")
_WEB_FORM = b"application/x-www-form-urlencoded"


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


@dataclass
class _Part:
    """One part of a form under the name that is asked for."""

    has_filename: bool
    content: BytesIO = field(default_factory=BytesIO)
    error: PneumoniaError | None = None


class FileForm:
    """Collects the files of one ``multipart/form-data`` body (RFC 7578) while it streams in.

    A file is a part with the right name and a filename. Only where no part has a filename, those
    without one are taken: some clients leave it out, others send a text field of the same name
    beside the file. Parts of other names are skipped. A file above the limit is read to its end but
    not kept, so that its neighbours survive it.
    """

    def __init__(self, boundary: bytes, name: str, max_files: int, max_bytes: int) -> None:
        """Expect a form.

        Args:
            boundary: from the content type.
            name: of the fields that hold files.
            max_files: a form with more is refused.
            max_bytes: largest file.

        Raises:
            InvalidRequest: the boundary is too long.
        """
        self._name = name
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._parts: list[_Part] = []
        self._count = 0
        self._part: _Part | None = None  # the one being read, unless it is skipped
        self._header = bytearray()
        self._value = bytearray()
        self._disposition: dict[bytes, bytes] = {}
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_end": self._on_end,
                },
                max_header_count=_MOST_HEADERS,
                max_header_size=_LARGEST_HEADER,
            )
        except FormParserError as error:
            raise InvalidRequest("The boundary in the content type is too long.") from error

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body.

        Raises:
            InvalidRequest: it breaks the form's syntax, or there are too many parts.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest(
                "The multipart form is malformed. Let a library or curl's -F write it."
            ) from error

    def files(self) -> list[bytes | PneumoniaError]:
        """The files in order, each whole or with why it was refused; call once, at the end.

        Raises:
            InvalidRequest: the form stops before its end, or holds no file or too many.
        """
        if not self._ended:
            raise InvalidRequest("The multipart form stops before its closing boundary.")
        files = [part for part in self._parts if part.has_filename] or self._parts
        if not files:
            raise InvalidRequest(f"The form has no field {self._name}. Send the image in it.")
        self._check_count(len(files))
        return [part.error or part.content.getvalue() for part in files]

    def _check_count(self, count: int) -> None:
        if count > self._max_files:
            raise InvalidRequest(
                f"The form has more than {self._max_files} file(s) in the field {self._name}, "
                "which is the most at once."
            )

    def _on_part_begin(self) -> None:
        self._disposition = {}
        self._count += 1
        if self._count > self._max_files + _OTHER_PARTS:
            raise InvalidRequest("The form has too many parts. Send the image alone.")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, self._disposition = parse_options_header(bytes(self._value))
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        self._part = None
        if self._disposition.get(b"name") == self._name.encode():
            self._part = _Part(b"filename" in self._disposition)
            self._parts.append(self._part)
            self._check_count(sum(part.has_filename for part in self._parts))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part is not None and part.error is None:
            part.content.write(memoryview(data)[start:end])
            if part.content.tell() > self._max_bytes:
                part.error = too_many_bytes(self._max_bytes)
                part.content = BytesIO()

    def _on_end(self) -> None:
        self._ended = True


@dataclass(frozen=True)
class UploadReader:
    """Reads the body of requests.

    Attributes:
        max_bytes: largest file.
        max_batch: most files in one form.
        seconds: longest time a body may take.
        memory: what all uploads together may hold.
    """

    max_bytes: int
    max_batch: int
    seconds: float
    memory: UploadMemory

    async def read_one(self, request: Request, hold: Hold) -> bytes:
        """The bytes of one image, from the form field ``file`` or from the body itself.

        Raises:
            TooLarge: more bytes than allowed, announced or sent.
            RequestTimeout: the body did not arrive in time.
            InvalidRequest: the form is malformed or lacks the field.
            UnsupportedType: the body is compressed, or of a type that holds no image.
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
        if kind == _WEB_FORM:
            raise UnsupportedType(
                "The content type is that of a web form without files, as curl --data-binary sends "
                "it unless told otherwise. Add -H 'Content-Type: application/octet-stream', or "
                "send the image as multipart/form-data with -F file=@IMAGE."
            )
        if kind and not kind.startswith(b"image/") and kind not in _RAW_TYPES:
            raise UnsupportedType(
                "The content type is not one of an image. Send multipart/form-data with the field "
                "file, or the image itself as image/*, application/dicom or "
                "application/octet-stream."
            )
        _refuse_encoding(request)
        return await self.read_body(request, hold)

    async def read_many(self, request: Request, hold: Hold) -> list[bytes | PneumoniaError]:
        """The images of a form's fields ``files``, each whole or with why it was refused.

        Raises:
            PneumoniaError: as :meth:`read_one`, where it concerns the request as a whole.
        """
        _, boundary = _content_type(request)
        if boundary is None:
            raise UnsupportedType(
                "Send multipart/form-data with one field files for each image; with curl, "
                "-F files=@IMAGE."
            )
        form = FileForm(boundary, "files", self.max_batch, self.max_bytes)
        return await self._read_form(request, hold, form, self.max_batch)

    async def read_body(self, request: Request, hold: Hold) -> bytes:
        """The whole body, whatever it is; one that is compressed by gzip or deflate is inflated.

        Raises:
            PneumoniaError: as :meth:`read_one`, where it does not concern forms.
        """
        # unlike a list it stays small however small the chunks are, and its bytes come out uncopied
        content = BytesIO()
        encoding = _content_encoding(request)
        if encoding is None:
            await self._read(request, hold, content.write, self.max_bytes)
            return content.getvalue()
        inflater = _Inflater(encoding, content, self.max_bytes, hold)
        await self._read(request, hold, inflater.feed, self.max_bytes)
        inflater.finish()
        return content.getvalue()

    async def _read_form(
        self, request: Request, hold: Hold, form: FileForm, max_files: int
    ) -> list[bytes | PneumoniaError]:
        _refuse_encoding(request)
        await self._read(
            request, hold, form.feed, max_files * self.max_bytes, overhead=_FORM_OVERHEAD
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
        received = 0
        try:
            async with asyncio.timeout(self.seconds):
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > most:
                        raise too_many_bytes(limit)
                    hold.take(len(chunk))
                    keep(chunk)
        except TimeoutError:
            raise RequestTimeout(
                f"The upload did not arrive within {self.seconds:g} s. Send a smaller file, or "
                "use a faster connection."
            ) from None


class _Inflater:
    """Inflates a compressed body piece by piece, as long as it stays within the limit."""

    def __init__(self, encoding: str, content: BytesIO, limit: int, hold: Hold) -> None:
        self._stream = zlib.decompressobj(wbits=31 if encoding == "gzip" else 15)
        self._content = content
        self._limit = limit
        self._hold = hold

    def feed(self, chunk: bytes) -> None:
        room = self._limit - self._content.tell()
        try:
            piece = self._stream.decompress(chunk, room + 1)
        except zlib.error as error:
            raise InvalidRequest(
                "The body is not compressed as its Content-Encoding says."
            ) from error
        if len(piece) > room:
            raise too_many_bytes(self._limit)
        self._hold.take(len(piece))
        self._content.write(piece)

    def finish(self) -> None:
        if not self._stream.eof:
            raise InvalidRequest("The compressed body stops before its end.")


def too_many_bytes(limit: int) -> TooLarge:
    """The refusal of more than ``limit`` bytes."""
    return TooLarge(f"More than the {limit} bytes that are accepted. Send a smaller copy.")


def _content_encoding(request: Request) -> str | None:
    """``gzip`` or ``deflate``; None for a body as it is."""
    encoding = request.headers.get("content-encoding", "").strip().lower().removeprefix("x-")
    if encoding in ("", "identity"):
        return None
    if encoding not in ("gzip", "deflate"):
        raise UnsupportedType("This Content-Encoding is not known. Send the body as it is.")
    return encoding


def _refuse_encoding(request: Request) -> None:
    if _content_encoding(request) is not None:
        raise UnsupportedType(
            "Compressed bodies are not accepted here: images are compressed already. Send the "
            "body as it is, without Content-Encoding."
        )


def _content_type(request: Request) -> tuple[bytes, bytes | None]:
    """The media type, and the boundary when it is a form."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        return kind, None
    boundary = options.get(b"boundary")
    if not boundary:
        raise InvalidRequest("The content type multipart/form-data has no boundary.")
    return kind, boundary
