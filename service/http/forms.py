"""``multipart/form-data`` (RFC 7578), read while it streams in: no disk, one copy of each file."""

from dataclasses import dataclass, field
from io import BytesIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import InvalidRequest, PneumoniaError, TooLarge

_MOST_HEADERS = 8
_LARGEST_HEADER = 4096


@dataclass
class _Part:
    """One file of a form: what came of it, or why it is refused."""

    content: BytesIO = field(default_factory=BytesIO)
    error: PneumoniaError | None = None


class FileForm:
    """Collects the files of one form, all under the same field name.

    A file above the limit is read to its end but not kept, so that its neighbours survive it.
    """

    def __init__(self, boundary: bytes, name: str, most_files: int, most_bytes: int) -> None:
        """Expect a form.

        Args:
            boundary: from the content type.
            name: the one field that is allowed.
            most_files: more stop the form.
            most_bytes: largest file.

        Raises:
            InvalidRequest: the boundary is none.
        """
        self._name = name
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._parts: list[_Part] = []
        self._header = bytearray()
        self._value = bytearray()
        self._field: str | None = None
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
            InvalidRequest: it breaks the form's syntax, or the form holds what was not asked for.
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
            InvalidRequest: the form stops before its end, or holds no file.
        """
        if not self._ended:
            raise InvalidRequest("The multipart form stops before its closing boundary.")
        if not self._parts:
            raise InvalidRequest(f"The form has no field {self._name}. Send the image in it.")
        return [part.error or part.content.getvalue() for part in self._parts]

    def _on_part_begin(self) -> None:
        self._field = None
        if len(self._parts) == self._most_files:
            raise InvalidRequest(
                f"The form has more than {self._most_files} file(s), which is the most at once."
            )

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._field = options.get(b"name", b"").decode("utf-8", "replace")
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        if self._field != self._name:
            raise InvalidRequest(
                f"The form has a field that is not called {self._name}. Send only that one."
            )
        self._parts.append(_Part())

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._parts[-1]
        if part.error is None:
            part.content.write(memoryview(data)[start:end])
            if part.content.tell() > self._most_bytes:
                part.error = too_many_bytes(self._most_bytes)
                part.content = BytesIO()

    def _on_end(self) -> None:
        self._ended = True


def too_many_bytes(limit: int) -> TooLarge:
    """The refusal of more than ``limit`` bytes."""
    return TooLarge(f"More than the {limit} bytes that are accepted. Send a smaller copy.")
