"""Stored samples: the same from every transfer syntax, and on real files the same as pydicom's."""

import struct
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from service.errors import PneumoniaError, UndecodableImage, UnsupportedType
from service.imaging.dicom import DicomFile
from service.imaging.dicom_header import number, read_header, short
from service.imaging.dicom_pixels import Samples, read_layout, read_samples, transfer_syntax
from service.imaging.radiograph import Limits
from tests.dicom import LOSSLESS, NEAR, file_bytes, frame_of, radiograph, read, shadows
from tests.dicom_files import real_files

# they are about the file, and kept from its reader in the service
pytestmark = pytest.mark.filterwarnings("ignore:::pydicom")

REFUSED = ("JPEG-lossy.dcm", "JPGExtended.dcm", "MR_truncated.dcm", "sequence-delimiter.dcm")

TWELVE_BITS = bytes.fromhex(
    "ffd8ffe00010736f6d657468696e6720656c7365ffffc40024000001010101010101010101010101"
    "0103000102030405060708090a0b0c0d0e0f10ffc3000b0c0006000801011100ffdd00040010ffda"
    "00080101000500007ff9ff00c0001fdd5fdd5fdd5fdd5fdd5fdd5fdd7fffd07ff9ff00dfeea7fba9"
    "feea7fba9feea7fba9feea1feea7fba9feea7fba9feea7fba9feeaffd17ff9ff00dff751ff00751f"
    "f751ff00751ff751ff00751ff7507fd5f7fd5f7fd5f7fd5f7fd5f7fd5f7fd5ff00ffd9"
)
COMPRESSED = ("JPEG lossless", "JPEG-LS", "JPEG 2000")
END = b"\xff\xd9"


def samples_of(data: bytes) -> Samples:
    header = read_header(data)
    return read_samples(header, read_layout(header))


def grey_files() -> list[str]:
    """Real files with one grey frame of 8 to 16 bits, whatever their modality."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        headers = {name: read_header(path.read_bytes()) for name, path in real_files().items()}
    return [
        name
        for name, header in headers.items()
        if short(header, "SamplesPerPixel") == 1
        and number(header, "NumberOfFrames") in (1, None)
        and short(header, "BitsAllocated") in (8, 16)
        and transfer_syntax(header)
        and header.buffer is not None
        and header.buffer.read(1)  # where the pixel data would begin
    ]


def refused(dataset: Dataset, syntax: str, **options: Any) -> PneumoniaError:
    """How the file is refused."""
    with pytest.raises(PneumoniaError) as caught:
        DicomFile(file_bytes(dataset, syntax, **options), Limits()).decode()
    return caught.value


@pytest.mark.parametrize("name", grey_files())
@pytest.mark.filterwarnings("ignore:::pydicom")
def test_real_files_have_the_samples_that_pydicom_decodes(name: str) -> None:
    data = real_files()[name].read_bytes()
    if name.endswith(REFUSED):
        with pytest.raises((PneumoniaError, RuntimeError)):
            samples_of(data)
        return
    found = samples_of(data).astype(int)
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
@pytest.mark.parametrize("syntax", ["JPEG-LS", "JPEG 2000"])
def test_an_encoder_may_leave_out_the_high_bits(syntax: str, signed: bool) -> None:
    """12-bit codestreams in a file that states 16 bits: the sign is that of the 12 bits."""
    samples = shadows(40, 50, bits=12)
    values = samples.astype(np.int16) - 2048 if signed else samples
    dataset = radiograph(values, 12)
    frame = frame_of(syntax, values & 0xFFF, 12)
    data = file_bytes(dataset, syntax, frame=frame, BitsStored=16, HighBit=15)
    np.testing.assert_array_equal(samples_of(data), values.astype(np.uint16))


def test_lossless_jpeg_of_12_bits_with_restarts_and_another_predictor_is_read() -> None:
    """Predictor 5, a restart every other row, a fill byte and a foreign segment in the header."""
    y, x = np.mgrid[:6, :8]
    expected = (4095 * x * y // 35).astype(np.uint16)
    data = file_bytes(radiograph(expected), "JPEG lossless", frame=TWELVE_BITS)
    np.testing.assert_array_equal(samples_of(data), expected)


@pytest.mark.parametrize("syntax", ["JPEG", "JPEG extended"])
def test_the_image_of_jpeg_is_close(syntax: str) -> None:
    samples = shadows(64, 64, bits=8).astype(np.uint8)
    found = samples_of(file_bytes(radiograph(samples, 8), syntax)).astype(int)
    assert abs(found - samples).mean() < 3


def test_near_lossless_samples_are_as_near_as_their_encoder_says() -> None:
    samples = shadows(64, 64)
    found = samples_of(file_bytes(radiograph(samples), "JPEG-LS near-lossless")).astype(int)
    assert 0 < abs(found - samples).max() <= NEAR


@pytest.mark.parametrize("syntax", [*LOSSLESS, "JPEG", "JPEG-LS near-lossless"])
def test_truncated_pixel_data_are_refused(syntax: str) -> None:
    samples = shadows(64, 64, bits=8).astype(np.uint8)
    data = file_bytes(radiograph(samples, 8), syntax)
    for cut in (len(data) // 3, 200, 40):
        with pytest.raises(UndecodableImage):
            DicomFile(data[:-cut], Limits()).decode()


@pytest.mark.parametrize("syntax", [*COMPRESSED, "JPEG", "JPEG-LS near-lossless"])
def test_truncated_streams_are_refused(syntax: str) -> None:
    """Also where a decoder would make up the samples that are missing."""
    samples = shadows(64, 64, bits=8).astype(np.uint8)
    frame = frame_of(syntax, samples, 8)
    for cut in (5, 6, 9, 17, 64, len(frame) // 2, len(frame) - 200):
        error = refused(radiograph(samples, 8), syntax, frame=frame[:-cut])
        assert isinstance(error, UndecodableImage)


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
    error = refused(dataset, "RLE", frame=frame, Rows=2000, Columns=2000)
    assert isinstance(error, UndecodableImage)


@pytest.mark.parametrize("header", [(0,), (1, 64), (3, 64, 70, 80), (2, 64, 2**31), (2**32 - 1,)])
def test_run_lengths_with_a_false_header_are_refused(header: tuple[int, ...]) -> None:
    frame = struct.pack(f"<{len(header)}I", *header).ljust(64, b"\0") + b"\x00\x01" * 50
    dataset = radiograph(shadows(64, 64))
    assert isinstance(refused(dataset, "RLE", frame=frame), UndecodableImage)


def jpeg_header(process: bytes, bits: int = 8, components: int = 1) -> bytes:
    """The segments up to the scan of an image of 64 x 64, with that start of frame."""
    frame = struct.pack(">HBHHBBBB", 11, bits, 64, 64, components, 1, 0x11, 0)
    return b"\xff\xd8\xff" + process + frame + b"\xff\xda\x00\x02"


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        (b"\0\0", UndecodableImage, "begin with no known signature"),
        (b"\0" * 64, UndecodableImage, "begin with no known signature"),
        (b"\xff\xd8\xff\xe0", UndecodableImage, "truncated"),
        (b"\xff\xd8" + b"\0" * 20, UndecodableImage, "broken"),
        (b"\xff\xd8\xff\xda\x00\x02", UndecodableImage, "truncated or broken"),
        (jpeg_header(b"\xc1", bits=12), UnsupportedType, "12-bit"),
        (jpeg_header(b"\xc2"), UnsupportedType, "progressive"),
        (jpeg_header(b"\xc0", components=3), UnsupportedType, "colour"),
        (b"\xff\x4f\xff\x51\x00\x29", UndecodableImage, "truncated"),
    ],
)
def test_frames_that_cannot_be_decoded_say_why(frame: bytes, error: Any, match: str) -> None:
    found = refused(radiograph(shadows(64, 64, 8).astype(np.uint8), 8), "JPEG", frame=frame)
    assert isinstance(found, error)
    assert match in found.detail


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
    frame = frame_of("JPEG lossless", samples, 12)
    data = file_bytes(radiograph(samples), "JPEG 2000", frame=frame)
    np.testing.assert_array_equal(samples_of(data), samples)


@pytest.mark.parametrize("uid", [b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.4\0"])
def test_native_pixel_data_that_claim_to_be_compressed_are_read(uid: bytes) -> None:
    data = file_bytes(radiograph(shadows(64, 64)))
    claimed = data.replace(b"1.2.840.10008.1.2.1\0", uid)
    assert claimed != data
    if uid.endswith(b".5\0"):
        np.testing.assert_array_equal(samples_of(claimed), shadows(64, 64))
    else:
        with pytest.raises(UnsupportedType, match="unknown transfer syntax"):
            samples_of(claimed)


@pytest.mark.parametrize("syntax", [*COMPRESSED, "RLE"])
def test_compressed_pixel_data_that_claim_to_be_native_are_read(syntax: str) -> None:
    data = file_bytes(radiograph(shadows(64, 64)), syntax)
    start = data.index(b"\x02\0\x10\0UI")
    (length,) = struct.unpack_from("<H", data, start + 6)
    native = b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
    claimed = data[:start] + native + data[start + 8 + length :]
    np.testing.assert_array_equal(samples_of(claimed), shadows(64, 64))


@pytest.mark.parametrize("syntax", COMPRESSED)
@pytest.mark.parametrize("padding", [0, 1, 64])
@pytest.mark.parametrize("end", [b"", END])
@pytest.mark.parametrize("table", ["empty", "one offset", "none"])
@pytest.mark.parametrize("delimiter", [True, False])
def test_encapsulation_as_devices_write_it(
    syntax: str, padding: int, end: bytes, table: str, delimiter: bool
) -> None:
    """Padding behind the end, no end marker, no Basic Offset Table, no sequence delimiter."""
    samples = shadows(64, 64)
    frame = frame_of(syntax, samples, 12).rstrip(b"\0").removesuffix(END) + end + bytes(padding)
    frame += bytes(len(frame) % 2)
    tables = {"empty": b"", "one offset": bytes(4), "none": None}
    parts = [part for part in (tables[table], frame) if part is not None]
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in parts)
    data = file_bytes(radiograph(samples), syntax, encapsulated=items)
    data = data if delimiter else data[:-8]
    np.testing.assert_array_equal(samples_of(data), samples)


def test_a_frame_in_several_fragments_is_put_together() -> None:
    samples = shadows(64, 64)
    frame = frame_of("JPEG 2000", samples, 12)
    dataset = radiograph(samples)
    parts = encapsulate([frame], fragments_per_frame=3)
    data = file_bytes(dataset, "JPEG 2000", encapsulated=parts)
    np.testing.assert_array_equal(samples_of(data), samples)


@pytest.mark.parametrize("syntax", ["JPEG lossless", "JPEG-LS"])
@pytest.mark.parametrize("damage", ["noise", "gap"])
def test_a_broken_stream_is_refused_although_it_ends_well(syntax: str, damage: str) -> None:
    """Also where GDCM would make up what is missing and only complain of it."""
    frame = bytearray(frame_of(syntax, shadows(64, 64), 12))
    middle = len(frame) // 2
    if damage == "gap":
        del frame[middle:-2]
    else:
        frame[middle:-2] = np.random.default_rng(5).bytes(len(frame) - 2 - middle)
    error = refused(radiograph(shadows(64, 64)), syntax, frame=bytes(frame))
    assert isinstance(error, UndecodableImage)


@settings(deadline=None)
@given(
    syntax=st.sampled_from(COMPRESSED),
    bits=st.integers(9, 16),
    size=st.tuples(st.integers(32, 70), st.integers(32, 70)),
    fragments=st.integers(1, 5),
    table=st.booleans(),
    padding=st.integers(0, 80),
    ended=st.booleans(),
)
def test_any_encapsulation_of_a_whole_frame_is_read(
    syntax: str,
    bits: int,
    size: tuple[int, int],
    fragments: int,
    table: bool,
    padding: int,
    ended: bool,
) -> None:
    samples = shadows(*size, bits=bits)
    frame = frame_of(syntax, samples, bits)
    if not ended:
        frame = frame.rstrip(b"\0").removesuffix(END)
    value = encapsulate([frame + bytes(padding)], fragments_per_frame=fragments, has_bot=table)
    data = file_bytes(radiograph(samples, bits), syntax, encapsulated=value)
    np.testing.assert_array_equal(samples_of(data), samples)
