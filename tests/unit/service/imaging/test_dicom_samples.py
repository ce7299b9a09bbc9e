"""Stored samples: the same from every transfer syntax, and on real files the same as pydicom's."""

import struct
from typing import Any

import numpy as np
import pytest
from pydicom.encaps import encapsulate

from benchmarks.dicom_files import real_file, real_files
from service.errors import PneumoniaError, UndecodableImage, UnsupportedType
from service.imaging import jpeg_ls
from service.imaging.dicom_elements import read_elements
from service.imaging.dicom_samples import Samples, read_layout, read_samples
from service.imaging.dicom_tags import Tag
from tests.dicom import LOSSLESS, NEAR, file_bytes, frame_of, radiograph, read, shadows
from tests.lossless_jpeg import encode_lossless

MOST_PIXELS = 10_000_000
# read here and not by pydicom, which asks for a transfer syntax, and the other way round
ONLY_OURS = ("OT-PAL-8-face.dcm",)
REFUSED = ("JPEG-lossy.dcm", "JPGExtended.dcm", "MR_truncated.dcm", "sequence-delimiter.dcm")


def samples_of(data: bytes, halvings: int = 0) -> Samples:
    elements = read_elements(data, MOST_PIXELS)
    return read_samples(elements, read_layout(elements), halvings)


def grey_files() -> list[str]:
    """Real files with one grey frame of 8 to 16 bits, whatever their modality."""
    names = []
    for name, path in real_files().items():
        elements = read_elements(path.read_bytes(), MOST_PIXELS)
        grey = elements.short(Tag.SAMPLES_PER_PIXEL) == 1 and Tag.PIXEL_DATA in elements
        single = elements.text(Tag.NUMBER_OF_FRAMES) in ("", "1")
        if grey and single and elements.short(Tag.BITS_ALLOCATED) in (8, 16):
            names.append(name)
    return names


@pytest.mark.parametrize("name", grey_files())
@pytest.mark.filterwarnings("ignore:::pydicom")
def test_real_files_have_the_samples_that_pydicom_decodes(name: str) -> None:
    data = real_files()[name].read_bytes()
    if name.endswith(REFUSED):
        with pytest.raises(PneumoniaError):
            samples_of(data)
        return
    found = samples_of(data).astype(int)
    if name.endswith(ONLY_OURS):
        assert found.shape == (480, 640)
        return
    dataset = read(data)
    if dataset.PixelRepresentation == 1:
        found -= (found >> (dataset.BitsStored - 1)) << dataset.BitsStored
    np.testing.assert_array_equal(found, dataset.pixel_array)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("syntax", LOSSLESS)
def test_every_lossless_syntax_gives_the_samples_back(syntax: str, bits: int) -> None:
    samples = shadows(40, 50, bits)
    if bits == 8:
        samples = samples.astype(np.uint8)
    found = samples_of(file_bytes(radiograph(samples, bits), syntax))
    np.testing.assert_array_equal(found, samples)
    assert found.dtype == samples.dtype


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_signed_samples_are_given_as_their_bits(syntax: str) -> None:
    samples = shadows(40, 50, bits=12).astype(np.int16) - 2048
    found = samples_of(file_bytes(radiograph(samples, 12), syntax))
    np.testing.assert_array_equal(found, samples & 0xFFF)


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big endian", "deflated", "RLE"])
def test_overlays_in_unused_bits_are_dropped(syntax: str) -> None:
    samples = shadows(40, 50, bits=12)
    overlaid = samples | np.random.default_rng(1).integers(0, 16, samples.shape, np.uint16) << 12
    np.testing.assert_array_equal(samples_of(file_bytes(radiograph(overlaid, 12), syntax)), samples)


def test_samples_may_lie_above_the_lowest_bit() -> None:
    samples = shadows(40, 50, bits=12)
    dataset = radiograph(samples << 4 | 5, 12, HighBit=15)
    np.testing.assert_array_equal(samples_of(file_bytes(dataset)), samples)


def test_8_bits_in_words_of_16_are_read() -> None:
    samples = shadows(40, 50, bits=8)
    found = samples_of(file_bytes(radiograph(samples | 0x300, 8)))
    np.testing.assert_array_equal(found, samples)
    assert found.dtype == np.uint8


def test_an_odd_number_of_bytes_in_big_endian_words_is_read() -> None:
    samples = shadows(33, 35, bits=8).astype(np.uint8)
    dataset = radiograph(samples, 8, PixelData=samples.tobytes() + b"\0")
    dataset["PixelData"].VR = "OW"
    np.testing.assert_array_equal(samples_of(file_bytes(dataset, "big endian")), samples)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", ["JPEG lossless", "JPEG-LS", "JPEG 2000"])
def test_an_encoder_may_leave_out_the_high_bits(syntax: str, signed: bool) -> None:
    """12-bit codestreams in a file that states 16 bits: the sign is that of the 12 bits."""
    samples = shadows(40, 50, bits=12)
    values = samples.astype(np.int16) - 2048 if signed else samples
    dataset = radiograph(values, 12)
    frame = frame_of(syntax, values & 0xFFF, 12)
    data = file_bytes(dataset, syntax, frame=frame, BitsStored=16, HighBit=15)
    np.testing.assert_array_equal(samples_of(data), values.astype(np.uint16))


@pytest.mark.parametrize("syntax", ["JPEG", "JPEG extended"])
def test_the_picture_of_jpeg_is_close(syntax: str) -> None:
    samples = shadows(64, 64, bits=8).astype(np.uint8)
    found = samples_of(file_bytes(radiograph(samples, 8), syntax)).astype(int)
    assert abs(found - samples).mean() < 3


def test_near_lossless_samples_are_as_near_as_their_encoder_says() -> None:
    samples = shadows(64, 64)
    found = samples_of(file_bytes(radiograph(samples), "JPEG-LS near-lossless")).astype(int)
    assert 0 < abs(found - samples).max() <= NEAR


@pytest.mark.parametrize("syntax", ["JPEG", "JPEG 2000"])
@pytest.mark.parametrize("shape", [(128, 160), (121, 145), (129, 131), (65, 67), (64, 66)])
def test_codecs_that_can_give_a_smaller_picture(syntax: str, shape: tuple[int, int]) -> None:
    samples = shadows(*shape, bits=8).astype(np.uint8)
    found = samples_of(file_bytes(radiograph(samples, 8), syntax), halvings=2)
    height, width = found.shape
    assert shape[0] / 4 <= height < shape[0]
    assert shape[0] / shape[1] == pytest.approx(height / width, rel=0.05)
    assert found.mean() == pytest.approx(samples.mean(), abs=4)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("halvings", [1, 6])
def test_a_smaller_picture_is_never_smaller_than_asked(syntax: str, halvings: int) -> None:
    samples = shadows(96, 80, bits=12)
    found = samples_of(file_bytes(radiograph(samples, 12), syntax), halvings)
    assert found.shape >= (96 >> halvings, 80 >> halvings)


@pytest.mark.parametrize("syntax", [*LOSSLESS, "JPEG"])
def test_truncated_pixel_data_are_refused(syntax: str) -> None:
    samples = shadows(64, 64, bits=8).astype(np.uint8)
    data = file_bytes(radiograph(samples, 8), syntax)
    for cut in (len(data) // 3, 40):
        with pytest.raises(UndecodableImage):
            samples_of(data[:-cut])


def test_no_pixel_data_at_all_is_refused() -> None:
    with pytest.raises(UndecodableImage, match="no pixel data"):
        samples_of(file_bytes(radiograph(shadows(), PixelData=None)))


@pytest.mark.parametrize(("rows", "columns"), [(64, 63), (63, 64), (128, 64), (60_000, 60_000)])
@pytest.mark.parametrize("syntax", ["JPEG", "JPEG lossless", "JPEG-LS", "JPEG 2000"])
def test_a_codestream_of_another_size_is_refused_before_decoding(
    syntax: str, rows: int, columns: int
) -> None:
    samples = shadows(64, 64, bits=8).astype(np.uint8)
    data = file_bytes(radiograph(samples, 8), syntax, Rows=rows, Columns=columns)
    with pytest.raises(UndecodableImage, match="not of the size"):
        samples_of(data)


def test_a_run_length_bomb_is_refused() -> None:
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\xff" * 1000
    dataset = radiograph(shadows(64, 64, 8).astype(np.uint8), 8)
    with pytest.raises(UndecodableImage):
        samples_of(file_bytes(dataset, "RLE", frame=frame, Rows=2000, Columns=2000))


@pytest.mark.parametrize("header", [(0,), (1, 64), (3, 64, 70, 80), (2, 64, 2**31), (2**32 - 1,)])
def test_run_lengths_with_a_false_header_are_refused(header: tuple[int, ...]) -> None:
    frame = struct.pack(f"<{len(header)}I", *header).ljust(64, b"\0") + b"\x00\x01" * 50
    dataset = radiograph(shadows(64, 64))
    with pytest.raises(UndecodableImage):
        samples_of(file_bytes(dataset, "RLE", frame=frame))


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        (b"\0\0", UndecodableImage, "starts like none"),
        (b"\0" * 64, UndecodableImage, "starts like none"),
        (b"\xff\xd8\xff\xe0", UndecodableImage, "truncated"),
        (b"\xff\xd8" + b"\0" * 20, UndecodableImage, "broken"),
        (b"\xff\xd8\xff\xda\x00\x02", UndecodableImage, "no frame header"),
        (b"\xff\xd8\xff\xc1\x00\x0b\x0c\0\x40\0\x40\x01\x01\x11\0", UnsupportedType, "12-bit"),
        (b"\xff\xd8\xff\xc2\x00\x0b\x08\0\x40\0\x40\x01\x01\x11\0", UnsupportedType, "process"),
        (b"\xff\xd8\xff\xc0\x00\x0b\x08\0\x40\0\x40\x03\x01\x11\0", UnsupportedType, "colour"),
        (b"\xff\x4f\xff\x51\x00\x29", UndecodableImage, "truncated"),
    ],
)
def test_frames_that_cannot_be_decoded_say_why(frame: bytes, error: Any, match: str) -> None:
    dataset = radiograph(shadows(64, 64, 8).astype(np.uint8), 8)
    with pytest.raises(error, match=match):
        samples_of(file_bytes(dataset, "JPEG", frame=frame))


def test_more_than_16_bits_are_refused() -> None:
    frame = bytearray(frame_of("JPEG 2000", shadows(64, 64, 16), 16))
    frame[42] = 19
    with pytest.raises(UnsupportedType, match="more than 16 bits"):
        samples_of(file_bytes(radiograph(shadows(64, 64, 16), 16), "JPEG 2000", frame=bytes(frame)))


def test_a_jpeg_of_fewer_bits_than_stated_is_refused() -> None:
    frame = frame_of("JPEG", shadows(64, 64, 8), 8)
    with pytest.raises(UndecodableImage, match="8 bits a sample"):
        samples_of(file_bytes(radiograph(shadows(64, 64)), "JPEG", frame=frame))


def test_what_the_frame_is_counts_not_what_the_transfer_syntax_says() -> None:
    samples = shadows(40, 50)
    frame = encode_lossless(samples, 12)
    data = file_bytes(radiograph(samples), "JPEG 2000", frame=frame)
    np.testing.assert_array_equal(samples_of(data), samples)


def test_native_pixel_data_that_claim_to_be_compressed_are_refused() -> None:
    data = file_bytes(radiograph(shadows(64, 64)))
    claimed = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    assert claimed != data
    with pytest.raises(UndecodableImage, match="does not fit"):
        samples_of(claimed)


def test_a_frame_in_several_fragments_is_put_together() -> None:
    samples = shadows(64, 64)
    frame = frame_of("JPEG 2000", samples, 12)
    dataset = radiograph(samples)
    parts = encapsulate([frame], fragments_per_frame=3)
    data = file_bytes(dataset, "JPEG 2000", encapsulated=parts)
    np.testing.assert_array_equal(samples_of(data), samples)


def test_a_truncated_jpeg_ls_stream_is_refused_without_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by fuzzing: this one keeps CharLS busy for seconds, and all threads of its process."""
    monkeypatch.setattr(jpeg_ls, "_PROGRAM", "raise SystemExit('was decoded')")
    data = real_file("MR_small_jpeg_ls_lossless.dcm")
    frame = b"".join(read_elements(data, MOST_PIXELS).fragments())[:2874]
    with pytest.raises(UndecodableImage, match="corrupt") as caught:
        samples_of(file_bytes(radiograph(shadows(64, 64, 16), 16), "JPEG-LS", frame=frame))
    assert caught.value.__cause__ is None


def test_a_jpeg_ls_stream_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg_ls, "_PROGRAM", "while True: pass")
    monkeypatch.setattr(jpeg_ls, "_MOST_SECONDS", 0.3)
    with pytest.raises(UndecodableImage, match="too long"):
        samples_of(file_bytes(radiograph(shadows(64, 64)), "JPEG-LS"))


def test_a_crash_of_the_jpeg_ls_decoder_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg_ls, "_PROGRAM", "import os; os.abort()")
    with pytest.raises(UndecodableImage, match="corrupt"):
        samples_of(file_bytes(radiograph(shadows(64, 64)), "JPEG-LS"))


def test_a_broken_jpeg_ls_stream_that_the_decoder_notices_is_refused() -> None:
    frame = bytearray(frame_of("JPEG-LS", shadows(64, 64), 12))
    frame[len(frame) // 2 :: 50] = b"\xff" * len(frame[len(frame) // 2 :: 50])
    frame[-2:] = b"\xff\xd9"
    with pytest.raises(UndecodableImage, match="corrupt"):
        samples_of(file_bytes(radiograph(shadows(64, 64)), "JPEG-LS", frame=bytes(frame)))
