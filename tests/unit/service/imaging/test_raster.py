"""What is believed of a JPEG, PNG or TIFF, whatever else the file says of itself."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image

from service.errors import UndecodableImage, UnsupportedType
from service.imaging.decode import decode
from service.imaging.radiograph import Limits, Radiograph
from tests.image_files import chest_like, jpeg, jpeg_segment, png, png_chunk, tiff
from tests.images import encode

# Pillow warns of metadata that it cannot read; the service's log leaves that out
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

GREY = chest_like().astype(np.uint8)


def pixels(data: bytes) -> NDArray[np.int16]:
    """What is decoded, of a type that differences fit in."""
    return np.asarray(read(data).image).astype(np.int16)


def read(data: bytes) -> Radiograph:
    """The file as the service reads it."""
    return decode(data, Limits())


def exif(orientation: int, other: tuple[int, int, int, int] | None = None) -> bytes:
    """Exif data with an orientation, and another entry: tag, type, count, value."""
    entries = [(ExifTags.Base.Orientation, 3, 1, orientation << 16), *([other] if other else [])]
    packed = b"".join(struct.pack(">HHII", *entry) for entry in sorted(entries))
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", len(entries)) + packed + bytes(4)


@st.composite
def png_metadata(draw: st.DrawFn) -> bytes:
    """A chunk that only describes: whole or broken, of any length, with a right or wrong CRC."""
    kinds = [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"pHYs", b"gAMA", b"cHRM", b"sRGB"]
    kinds += [b"tIME", b"sPLT", b"bKGD", b"hIST", b"prVt", b"cICP", b"sBIT"]
    kind = draw(st.sampled_from(kinds))
    body = draw(
        st.one_of(
            st.binary(max_size=40),
            st.binary(max_size=20).map(lambda key: key + b"\0\0" + zlib.compress(bytes(2**21))),
            st.just(b"Comment\0" + b"x" * 2**20),
        )
    )
    return png_chunk(kind, body, draw(st.sampled_from([None, 1])))


@st.composite
def jpeg_metadata(draw: st.DrawFn) -> bytes:
    """An application segment or a comment: of a known kind or none, whole or cut off."""
    marker = draw(st.sampled_from([*range(0xE0, 0xEE), 0xEF, 0xFE]))
    kinds = [b"", b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0", b"MPF\0", b"Photoshop 3.0\0", b"Adobe"]
    kinds += [b"http://ns.adobe.com/xap/1.0/\0", b"FPXR\0"]
    return jpeg_segment(marker, draw(st.sampled_from(kinds)) + draw(st.binary(max_size=40)))


@settings(deadline=None)
@given(st.lists(png_metadata(), min_size=1, max_size=3))
def test_no_metadata_of_a_png_changes_what_is_read(chunks: list[bytes]) -> None:
    assert np.array_equal(pixels(png(GREY, chunks)), GREY)


@settings(deadline=None)
@given(st.lists(jpeg_metadata(), min_size=1, max_size=3))
def test_no_metadata_of_a_jpeg_changes_what_is_read(segments: list[bytes]) -> None:
    assert np.array_equal(pixels(jpeg(GREY, segments)), pixels(jpeg(GREY)))


@pytest.mark.parametrize(
    "other",
    [
        None,
        (ExifTags.Base.XResolution, 9, 1, 2**32 - 5),  # signed, which cannot be written again
        (ExifTags.Base.XResolution, 5, 1, 9_999_999),  # its value lies beyond the end
        (ExifTags.Base.ExifOffset, 4, 1, 9_999_999),
        (ExifTags.Base.Make, 2, 2**31, 8),
    ],
)
@pytest.mark.parametrize(
    "write",
    [
        lambda data: jpeg(GREY, [jpeg_segment(0xE1, b"Exif\0\0" + data)]),
        lambda data: png(GREY, [png_chunk(b"eXIf", data)]),
        lambda data: png(GREY, [png_chunk(b"tEXt", b"x\0y", 1), png_chunk(b"eXIf", data)]),
    ],
)
def test_an_image_is_turned_whatever_else_its_exif_data_hold(
    write: Callable[[bytes], bytes], other: tuple[int, int, int, int] | None
) -> None:
    turned, upright = read(write(exif(6, other))), read(write(exif(1, other)))
    assert (turned.width, turned.height) == (upright.height, upright.width)
    assert np.array_equal(np.asarray(turned.image), np.rot90(np.asarray(upright.image), 3))


@st.composite
def deep_files(draw: st.DrawFn) -> tuple[bytes, int]:
    """A 16-bit PNG or TIFF of 1 to 4 samples a pixel that uses 8 to 16 bits, and how many."""
    bits = draw(st.integers(8, 16))
    bands = draw(st.sampled_from([1, 2, 3, 4]))
    samples = np.repeat(chest_like(white=2**bits - 1)[..., np.newaxis], bands, axis=2)
    if bands in (2, 4):
        samples[..., -1] = 0xFFFF  # opaque
    order: Literal["<", ">"] = draw(st.sampled_from(["<", ">"]))
    if bands == 2 or draw(st.booleans()):
        return png(samples), bits
    return tiff(samples, order, deflated=draw(st.booleans())), bits


@settings(deadline=None)
@given(deep_files())
def test_the_range_of_16_bit_samples_is_the_one_they_use(made: tuple[bytes, int]) -> None:
    data, bits = made
    found = read(data)
    assert np.abs(pixels(data) - GREY.astype(np.int16)).max() <= 1
    assert found.bit_depth == 16
    assert [warning.code for warning in found.warnings] == ["assumed_bit_depth"] * (bits < 16)


def test_what_16_bit_alpha_hides_is_black() -> None:
    samples = np.repeat(chest_like(white=0xFFFF)[..., np.newaxis], 4, axis=2)
    samples[:, 24:, 3] = 0
    samples[:, :24, 3] = 0xFFFF
    for hidden in (samples, samples[..., 2:]):
        shown = pixels(png(hidden))
        assert np.abs(shown[:, :24] - GREY[:, :24]).max() <= 1
        assert not shown[:, 24:].any()


def test_16_bit_colour_is_read_as_its_luminance() -> None:
    colours = np.stack([chest_like(white=white) for white in (0xFFFF, 0x8000, 0x2000)], axis=2)
    eight = Image.fromarray((colours >> 8).astype(np.uint8))
    expected = np.asarray(eight.convert("L")).astype(np.int16)
    assert np.abs(pixels(png(colours)) - expected).max() <= 1
    assert np.abs(pixels(tiff(colours)) - expected).max() <= 1


def _with_frame(marker: int, bits: int) -> bytes:
    data = bytearray(jpeg(GREY))
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, bits
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (_with_frame(0xC1, 12), "JPEG of 12 bits"),
        (_with_frame(0xC3, 8), "lossless JPEG"),
        (_with_frame(0xC9, 8), "arithmetic coding"),
        (_with_frame(0xC5, 8), "hierarchical JPEG"),
        (_with_frame(0xF7, 8), "JPEG-LS"),
        (b"\xff\xd8\xff\xf7" + _with_frame(0xF7, 16)[22:], "JPEG-LS"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51" + bytes(20), "JPEG 2000"),
        (b"\x00\x00\x00\x20ftypheic" + bytes(20), "HEIF"),
        (b"GIF89a" + bytes(20), "GIF"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04" + bytes(20), "ZIP"),
        (b"\x1f\x8b\x08" + bytes(20), "gzip"),
        (tiff(GREY, extra_tags={259: 34712}), "JPEG 2000 compression"),
        (tiff(GREY, extra_tags={259: 50001}), "WebP compression"),
        (tiff(GREY, extra_tags={259: 4}), "fax compression"),
        (tiff(GREY, extra_tags={259: 65000}), "compression 65000"),
        (tiff(GREY.astype(np.int16)), "signed samples of 16 bits"),
        (tiff(GREY.astype(np.int32)), "signed samples of 32 bits"),
        (tiff(GREY.astype(np.uint32)), "samples of 32 bits"),
        (tiff(GREY.astype(np.float16)), "floating-point samples of 16 bits"),
        (tiff(GREY.astype(np.float32), ">"), "floating-point samples of 32 bits"),
        (tiff(GREY.astype(np.complex64)), "complex samples"),
        (tiff(np.stack([chest_like()] * 2, axis=2)), "2 sample(s) a pixel of 16, 16 bits"),
    ],
)
def test_an_intact_file_of_a_form_that_is_not_read_is_refused_by_name(
    data: bytes, named: str
) -> None:
    with pytest.raises(UnsupportedType) as refused:
        read(data)
    assert named in refused.value.detail
    assert "Send" in refused.value.detail
    assert "corrupt" not in refused.value.detail


@pytest.mark.parametrize(
    "data",
    [jpeg(GREY), png(GREY), tiff(GREY, deflated=True), encode(Image.fromarray(GREY), "WEBP")],
)
def test_a_file_that_is_cut_off_is_called_truncated(data: bytes) -> None:
    with pytest.raises(UndecodableImage, match="truncated or corrupt"):
        read(data[: len(data) // 2])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_several_pages_the_largest_is_read(place: int) -> None:
    pages = [Image.new("L", (40, 40), 200), Image.new("L", (33, 33), 90)]
    pages.insert(place, Image.fromarray(GREY))
    stream = BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    found = read(stream.getvalue())
    assert np.array_equal(np.asarray(found.image), GREY)
    assert [warning.code for warning in found.warnings] == ["first_frame"]
    assert f"page {place + 1}, the largest" in found.warnings[0].detail


def test_of_equal_pages_the_first_is_read() -> None:
    pages = [Image.fromarray(GREY), Image.new("L", (48, 64), 200)]
    stream = BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    assert np.array_equal(pixels(stream.getvalue()), GREY)
