"""The data element reader: like pydicom on every real file, and unmoved by made monsters."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement

from benchmarks.dicom_files import real_files
from service.errors import TooLarge, UndecodableImage
from service.imaging.dicom_elements import Elements
from service.imaging.dicom_reader import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    first_item,
    fragments,
    looks_like_dicom,
    read_elements,
)
from service.imaging.dicom_tags import Tag
from tests.dicom import NATIVE, file_bytes, lut, radiograph, shadows
from tests.images import image_bytes

MOST_PIXELS = 1_000_000
PREFIX = bytes(128) + b"DICM"
UNDEFINED = 0xFFFFFFFF
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
NO_DICOM = ("FileInfo.txt", "README", ".md", ".icc", ".dump", ".gz", "README.txt", "no_meta.dcm")
# pydicom gives up all elements of this one where its pixel data end early
CUT = "emri_small_jpeg_2k_lossless_too_short.dcm"


def meta(syntax: str) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    return PREFIX + b"\x02\x00\x10\x00UI" + struct.pack("<H", len(value)) + value


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def read(data: bytes) -> Elements:
    return read_elements(data, MOST_PIXELS)


@pytest.mark.parametrize("name", [name for name in real_files() if not name.endswith(NO_DICOM)])
@pytest.mark.filterwarnings("ignore:::pydicom")
def test_values_are_those_that_pydicom_finds(name: str) -> None:
    path = real_files()[name]
    found = read(path.read_bytes())
    expected = pydicom.dcmread(path, force=True)
    if name.endswith(CUT):
        assert len(expected) == 0
        assert found.short(Tag.ROWS) == 64
        return
    syntax = expected.file_meta.get("TransferSyntaxUID")
    assert syntax is None or found.syntax == syntax
    for tag in set(Tag) - {Tag.TRANSFER_SYNTAX_UID}:
        assert (tag in found) == (tag in expected), tag.name
        raw = expected.get_item(tag) if tag in expected else None
        if isinstance(raw, RawDataElement) and not found.encapsulated:
            assert bytes(found.values[tag]) == (raw.value or b""), tag.name


@pytest.mark.parametrize("name", [name for name in real_files() if name.endswith(NO_DICOM)])
def test_other_real_files_are_not_taken_for_dicom(name: str) -> None:
    assert not looks_like_dicom(real_files()[name].read_bytes())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_pictures_are_not_taken_for_dicom(kind: str) -> None:
    assert not looks_like_dicom(image_bytes(kind=kind))


@pytest.mark.parametrize("length", [0, 1, 7, 8, 131])
def test_a_few_zero_bytes_are_not_taken_for_dicom(length: int) -> None:
    assert not looks_like_dicom(bytes(length))


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("preamble", [True, False])
def test_all_encodings_give_the_same_values(syntax: str, preamble: bool) -> None:
    table = np.arange(4096)
    dataset = radiograph(shadows(40, 50), VOILUTSequence=lut(table, -3, 12), WindowCenter=[5, 6])
    data = file_bytes(dataset, syntax, preamble)
    assert looks_like_dicom(data)
    found = read(data)
    assert (found.short(Tag.ROWS), found.short(Tag.COLUMNS)) == (40, 50)
    assert found.texts(Tag.WINDOW_CENTER) == ["5.0", "6.0"]
    assert found.text(Tag.STUDY_INSTANCE_UID) == "1.2.3.4.1"
    item = first_item(found, Tag.VOI_LUT_SEQUENCE)
    assert item is not None
    assert item.shorts(Tag.LUT_DESCRIPTOR).tolist() == [4096, 65533, 12]


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big endian"])
def test_a_data_set_alone_is_read(syntax: str) -> None:
    data = file_bytes(radiograph(shadows(40, 50)), syntax)
    start = data.index(struct.pack(">HH" if syntax == "big endian" else "<HH", 8, 0x16))
    assert looks_like_dicom(data[start:])
    found = read(data[start:])
    assert found.text(Tag.MODALITY) == "CR"
    assert found.syntax == (EXPLICIT_BIG if syntax == "big endian" else EXPLICIT_LITTLE)
    assert len(found.values[Tag.PIXEL_DATA]) == 40 * 50 * 2


def test_nothing_that_names_the_patient_is_kept() -> None:
    found = read(file_bytes(radiograph(shadows(40, 50))))
    assert b"ecret" not in b"".join(bytes(value) for value in found.values.values())


def test_nested_sequences_of_unknown_length_are_stepped_over() -> None:
    nested = b""
    for _ in range(50):
        nested = (
            struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, UNDEFINED)
            + ITEM
            + nested
            + element(Tag.ROWS, b"US", b"\x07\x00")  # another picture's, an icon's
            + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
            + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        )
    found = read(meta(EXPLICIT_LITTLE) + nested + element(Tag.ROWS, b"US", b"\x63\x00"))
    assert found.short(Tag.ROWS) == 99


def test_an_implicit_sequence_of_unknown_representation_is_stepped_over() -> None:
    inner = struct.pack("<HHI", 0x28, 0x10, 2) + b"\x07\x00"
    unknown = (
        struct.pack("<HH2sHI", 9, 0x1140, b"UN", 0, UNDEFINED)
        + ITEM
        + inner
        + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
        + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    )
    found = read(meta(EXPLICIT_LITTLE) + unknown + element(Tag.ROWS, b"US", b"\x63\x00"))
    assert found.short(Tag.ROWS) == 99


def test_what_the_transfer_syntax_claims_does_not_count_where_the_elements_show_otherwise() -> None:
    for said, real, start in (
        ("1.2.840.10008.1.2", "explicit", b"\x08\x00\x16\x00UI"),
        (EXPLICIT_LITTLE, "implicit", b"\x08\x00\x16\x00\x1a"),
    ):
        data = file_bytes(radiograph(shadows(40, 50)), real)
        assert read(meta(said) + data[data.index(start) :]).short(Tag.ROWS) == 40


def test_a_value_that_the_file_cuts_off_is_given_as_far_as_it_goes() -> None:
    data = file_bytes(radiograph(shadows(40, 50)))
    assert len(read(data[:-100]).values[Tag.PIXEL_DATA]) == 40 * 50 * 2 - 100
    for end in range(len(data) - 4000 - 400, len(data) - 4000):
        read(data[:end])


def _tiny_elements(count: int) -> bytes:
    return b"".join(struct.pack("<HH2sH", 9, n & 0xFFFF, b"LO", 0) for n in range(count))


_SEQUENCE = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, UNDEFINED)
MONSTERS = {
    "flat": _tiny_elements(150_000),
    "in a sequence": _SEQUENCE + ITEM + _tiny_elements(150_000),
    "items": _SEQUENCE + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 150_000,
    "deep": (_SEQUENCE + ITEM) * 75_000,
    "meta": struct.pack("<HH2sH", 2, 0x16, b"AE", 0) * 150_000,
}


@pytest.mark.parametrize("kind", MONSTERS)
def test_a_monster_of_elements_is_refused(kind: str) -> None:
    with pytest.raises(UndecodableImage, match="more than 100000 elements"):
        read(meta(EXPLICIT_LITTLE) + MONSTERS[kind])


def test_elements_that_are_stepped_over_take_no_memory() -> None:
    data = meta(EXPLICIT_LITTLE) + _SEQUENCE + ITEM + _tiny_elements(20_000)
    tracemalloc.start()
    read(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**16


def test_a_deflate_bomb_is_too_large() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = b"".join(deflater.compress(bytes(2**20)) for _ in range(64)) + deflater.flush()
    with pytest.raises(TooLarge, match="once it is inflated"):
        read(meta(DEFLATED) + bomb)


def test_a_broken_deflate_stream_is_refused() -> None:
    with pytest.raises(UndecodableImage, match="deflated"):
        read(meta(DEFLATED) + b"\xff" * 100)


@pytest.mark.parametrize("text", [b"nan ", b"inf ", b"1e99", b"12,5", b"abc "])
def test_numbers_that_are_none_are_refused(text: bytes) -> None:
    found = read(meta(EXPLICIT_LITTLE) + element(Tag.WINDOW_WIDTH, b"DS", text))
    with pytest.raises(UndecodableImage, match="number"):
        found.number(Tag.WINDOW_WIDTH)


@pytest.mark.parametrize(
    ("text", "number"), [(b" 1.5e2\\7 ", 150), (b"-3\0", -3), (b"", None), (b"\\4 ", None)]
)
def test_the_first_of_several_numbers_counts(text: bytes, number: float | None) -> None:
    found = read(meta(EXPLICIT_LITTLE) + element(Tag.WINDOW_WIDTH, b"DS", text))
    assert found.number(Tag.WINDOW_WIDTH) == number


def test_fragments_come_without_the_offset_table() -> None:
    path = next(p for n, p in real_files().items() if n.endswith("RG1_J2KI.dcm"))
    found = read_elements(Path(path).read_bytes(), 10**7)
    assert found.encapsulated
    assert bytes(next(fragments(found))[:4]) == b"\xff\x4f\xff\x51"
