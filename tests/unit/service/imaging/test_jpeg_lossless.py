"""Lossless JPEG: against an encoder written from the standard, and against real files."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pydicom.encaps import generate_frames

from benchmarks.dicom_files import real_file
from service.errors import UndecodableImage
from service.imaging import jpeg_lossless
from service.imaging.codestream import read_header
from tests.dicom import read, shadows
from tests.lossless_jpeg import encode_lossless


@st.composite
def pictures(draw: st.DrawFn) -> tuple[Any, int]:
    """A picture and the bits of its samples; noise, which is the hardest for prediction."""
    bits = draw(st.integers(2, 16))
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=9))
    return draw(arrays(np.uint16, shape, elements=st.integers(0, (1 << bits) - 1))), bits


@settings(deadline=None)
@given(pictures(), st.integers(1, 7), st.integers(0, 4), st.integers(0, 3))
def test_what_was_encoded_comes_back(
    picture: tuple[Any, int], predictor: int, rows_a_restart: int, shift: int
) -> None:
    samples, bits = picture
    shift = min(shift, bits - 1)
    data = encode_lossless(samples, bits, predictor, shift, rows_a_restart)
    expected = samples >> shift << shift
    np.testing.assert_array_equal(jpeg_lossless.decode(read_header(data)), expected)


@pytest.mark.parametrize("predictor", range(1, 8))
def test_pictures_larger_than_a_block_come_back(predictor: int) -> None:
    samples = shadows(150, 100, bits=16)
    data = encode_lossless(samples, 16, predictor)
    np.testing.assert_array_equal(jpeg_lossless.decode(read_header(data)), samples)


@pytest.mark.parametrize(
    "name", ["JPEG-LL.dcm", "bad_sequence.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"]
)
def test_real_files_are_read_as_another_decoder_reads_them(name: str) -> None:
    dataset = read(real_file(name))
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    found = jpeg_lossless.decode(read_header(frame))
    np.testing.assert_array_equal(found.astype(dataset.pixel_array.dtype), dataset.pixel_array)


def test_truncated_data_are_refused() -> None:
    data = encode_lossless(shadows(64, 64), 12)
    for end in range(200, len(data) - 4, 97):
        with pytest.raises(UndecodableImage):
            jpeg_lossless.decode(read_header(data[:end]))


def test_a_code_that_no_table_has_is_refused() -> None:
    # no code of this encoder's table begins with a one
    data = encode_lossless(shadows(64, 64), 12)
    start = data.index(b"\xff\xda") + 10
    with pytest.raises(UndecodableImage, match="corrupt"):
        jpeg_lossless.decode(read_header(data[:start] + b"\xfe" * 5000))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\xff\xc4\x00", b"\xff\xfe\x00"),  # its only table became a comment
        (b"\xff\xda\x00\x08\x01", b"\xff\xda\x00\x08\x03"),  # several components in the scan
        (b"\xff\xda\x00\x08\x01\x01\x00\x01", b"\xff\xda\x00\x08\x01\x01\x00\x08"),  # predictor 8
        (b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00", b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x0c"),
        (b"\xff\xda", b"\xff\xfe"),  # no scan
        (b"\x00\x00\x01\x01\x01\x01", b"\x00\xff\x01\x01\x01\x01"),  # more codes than bits can tell
    ],
)
def test_headers_that_cannot_be_are_refused(old: bytes, new: bytes) -> None:
    data = encode_lossless(shadows(8, 8), 12)
    assert old in data
    with pytest.raises(UndecodableImage):
        jpeg_lossless.decode(read_header(data.replace(old, new, 1)))


def test_a_restart_inside_a_row_is_refused() -> None:
    stream = read_header(encode_lossless(shadows(8, 8), 12, rows_a_restart=2))
    data = stream.data.replace(b"\xff\xdd\x00\x04\x00\x10", b"\xff\xdd\x00\x04\x00\x0b")
    with pytest.raises(UndecodableImage):
        jpeg_lossless.decode(replace(stream, data=data))


def test_a_missing_restart_is_refused() -> None:
    stream = read_header(encode_lossless(shadows(8, 8), 12, rows_a_restart=2))
    with pytest.raises(UndecodableImage):
        jpeg_lossless.decode(replace(stream, data=stream.data.replace(b"\xff\xd1", b"")))
