"""Multipart forms, fed in pieces of any size, and bytes held for all requests together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequest, Overloaded, PneumoniaError, TooLarge
from service.http.uploads import FileForm, UploadMemory

BOUNDARY = b"frontier"


def form(*files: bytes, name: str = "files", end: bytes = b"--frontier--\r\n") -> bytes:
    parts = (
        b'--frontier\r\nContent-Disposition: form-data; name="%s"; filename="x.png"\r\n'
        b"Content-Type: image/png\r\n\r\n%s\r\n" % (name.encode(), file)
        for file in files
    )
    return b"".join(parts) + end


def read(
    body: bytes, piece: int = 1 << 20, max_files: int = 3, max_bytes: int = 1000
) -> list[bytes | PneumoniaError]:
    expected = FileForm(BOUNDARY, "files", max_files, max_bytes)
    for start in range(0, len(body), piece):
        expected.feed(body[start : start + piece])
    return expected.files()


@given(
    files=st.lists(
        st.binary(max_size=60)
        | st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--frontier", b"\r\n--front", b"x"])).map(
            lambda pieces: b"".join(pieces).replace(b"\r\n--frontier", b"")
        ),
        min_size=1,
        max_size=3,
    ),
    piece=st.integers(1, 80),
)
def test_files_arrive_whole_whatever_the_pieces(files: list[bytes], piece: int) -> None:
    assert read(form(*files), piece) == files


def test_a_large_file_is_refused_and_its_neighbours_are_not() -> None:
    small, limit, large = b"s" * 999, b"m" * 1000, b"l" * 1001
    result = read(form(small, large, limit), piece=64)
    assert result[0] == small
    assert isinstance(result[1], TooLarge)
    assert "1000 bytes" in result[1].detail
    assert result[2] == limit


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (form(b"1", b"2", b"3", b"4"), "more than 3"),
        (form(b"1", name="file"), "no field files"),
        (form(b"1", name=""), "no field files"),
        (form(b"1") + b"trailing words after the end", None),
        (form(b"1", end=b""), "stops before"),
        (b"--frontier--\r\n", "no field files"),
        (b"", "stops before"),
        (b"no form at all", "malformed"),
        (b"--frontier\r\n\r\nno header\r\n--frontier--\r\n", "no field files"),
        (b"--frontier\r\nBad Header\x00: 1\r\n\r\n", "malformed"),
        (b"--frontier\r\n" + b"A: b\r\n" * 9, "malformed"),
        (b"--frontier\r\nA: " + b"b" * 5000, "malformed"),
    ],
)
def test_forms_that_are_none(body: bytes, says: str | None) -> None:
    if says is None:
        assert read(body) == [b"1"]
        return
    with pytest.raises(InvalidRequest, match=says):
        read(body)


def part(name: bytes, content: bytes, filename: bytes = b"") -> bytes:
    return b'--frontier\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (
        name,
        filename and b'; filename="%s"' % filename,
        content,
    )


@pytest.mark.parametrize(
    ("parts", "files"),
    [
        ([part(b"note", b"12"), part(b"files", b"1", b"a")], [b"1"]),
        ([part(b"files", b"1", b"a"), part(b"note", b"12"), part(b"other", b"3", b"b")], [b"1"]),
        ([part(b"files", b"{}"), part(b"files", b"1", b"a")], [b"1"]),
        (
            [part(b"files", b"1", b"a"), part(b"files", b"{}"), part(b"files", b"2", b"b")],
            [b"1", b"2"],
        ),
        ([part(b"files", b"1"), part(b"files", b"2")], [b"1", b"2"]),
        ([part(b"note", b"12"), part(b"files", b"1")], [b"1"]),
    ],
)
def test_other_fields_are_skipped_and_files_are_those_with_a_filename_if_any_has(
    parts: list[bytes], files: list[bytes]
) -> None:
    assert read(b"".join(parts) + b"--frontier--\r\n") == files


def test_thousands_of_other_fields_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="too many parts"):
        read(part(b"note", b"x") * 1000 + form(b"1"))


def test_an_endless_boundary_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        FileForm(b"b" * 500, "file", 1, 1000)


@given(body=st.binary(max_size=200), piece=st.integers(1, 50))
def test_any_bytes_are_refused_in_words(body: bytes, piece: int) -> None:
    with pytest.raises(InvalidRequest):
        read(b"--frontier" + body, piece)


@given(body=st.data())
def test_a_form_with_a_changed_byte_is_read_or_refused(body: st.DataObject) -> None:
    changed = bytearray(form(b"1234567890", b"abcdefghij"))
    place = body.draw(st.integers(0, len(changed) - 1))
    changed[place] = body.draw(st.integers(0, 255))
    try:
        assert len(read(bytes(changed))) <= 3
    except InvalidRequest as error:
        assert error.detail


def test_what_is_held_is_given_back() -> None:
    memory = UploadMemory(100)
    with memory.hold() as first, memory.hold() as second:
        first.take(60)
        second.take(40)
        with pytest.raises(Overloaded) as full:
            second.take(1)
        assert full.value.retry_after == 1
        assert (first.taken, second.taken) == (60, 40)
    with memory.hold() as third:
        third.take(100)


def test_what_a_failed_request_held_is_given_back() -> None:
    memory = UploadMemory(100)
    for _ in range(3):
        with pytest.raises(ValueError, match="broke off"), memory.hold() as hold:
            hold.take(100)
            raise ValueError("broke off")
