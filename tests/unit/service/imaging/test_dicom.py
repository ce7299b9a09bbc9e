"""DICOM radiographs as a whole: what is read, what is refused and why, what is passed on."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from benchmarks.dicom_files import real_file
from service.errors import (
    NotAChestXray,
    PneumoniaError,
    TooLarge,
    UndecodableImage,
    UnsupportedType,
)
from service.imaging.decode import decode
from service.imaging.radiograph import Limits, Radiograph, Uids
from tests.dicom import file_bytes, frame_of, radiograph, shadows

WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}


def read(dataset: Dataset, syntax: str = "explicit", **options: Any) -> Radiograph:
    return decode(file_bytes(dataset, syntax, **options), Limits())


def code(value: str) -> Sequence:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "SCT"
    item.CodeMeaning = "whatever"
    return Sequence([item])


def test_a_radiograph_says_what_it_is() -> None:
    found = read(radiograph(shadows(96, 80), **WINDOW, PatientAge="004Y"))
    assert (found.format, found.width, found.height, found.bit_depth) == ("DICOM", 80, 96, 12)
    assert found.image.size == (80, 96)
    assert found.warnings == ()
    assert found.age_years == 4
    assert found.uids == Uids(study="1.2.3.4.1", series="1.2.3.4.2", instance="1.2.3.4.3")


def test_a_file_that_is_also_a_tiff_is_read_as_dicom() -> None:
    data = file_bytes(radiograph(shadows(), **WINDOW))
    assert decode(b"II*\0" + data[4:], Limits()).format == "DICOM"


@pytest.mark.parametrize("modality", ["CR", "DX"])
def test_radiographs_of_either_kind_are_read(modality: str) -> None:
    assert read(radiograph(shadows(), Modality=modality)).format == "DICOM"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"Modality": "CT"}, "modality CT"),
        ({"Modality": "MG"}, "modality MG"),
        ({"Modality": "Smith"}, "another modality"),
        ({"Modality": ""}, "names none"),
        ({"Modality": None}, "names none"),
        ({"NumberOfFrames": 2}, "several frames"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour"),
        ({"SamplesPerPixel": 3}, "colour"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "8 to 16 bits"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "8 to 16 bits"),
        ({"BitsStored": 7}, "8 to 16 bits"),
    ],
)
def test_other_kinds_are_refused_with_the_reason(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(UnsupportedType, match=match):
        read(radiograph(shadows(), **changes))


@pytest.mark.parametrize(
    ("uid", "match"),
    [
        ("1.2.840.10008.1.2.4.103", "video"),
        ("1.2.840.10008.1.2.4.110", "JPEG XL"),
        ("1.2.840.10008.1.2.4.94", "JPIP"),
        ("1.2.3.4.5.6.7.8", "an unknown transfer syntax"),
    ],
)
def test_codecs_that_are_not_there_are_named(uid: str, match: str) -> None:
    data = file_bytes(radiograph(shadows()), "JPEG 2000")
    uid += "\0" * (len("1.2.840.10008.1.2.4.90") - len(uid))
    data = data.replace(b"1.2.840.10008.1.2.4.90", uid.encode()[:22])
    if len(uid) > 22:
        data = data.replace(b"UI\x16\0" + uid.encode()[:22], b"UI\x18\0" + uid.encode() + b"\0", 1)
    with pytest.raises(UnsupportedType, match=match):
        decode(data, Limits())


@pytest.mark.parametrize(
    "changes",
    [
        {"ViewPosition": "LL"},
        {"ViewPosition": "RL"},
        {"ViewPosition": "lateral "},
        {"ViewPosition": "LEFT LATERAL"},
        {"ViewPosition": "RLO"},
        {"ViewCodeSequence": code("399067008")},
        {"ViewCodeSequence": code("R-10236")},
        {"PatientOrientation": ["A", "F"]},
        {"PatientOrientation": ["P", "FR"]},
    ],
)
def test_lateral_and_oblique_views_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NotAChestXray, match="lateral or oblique"):
        read(radiograph(shadows(), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"ViewPosition": "AP"},
        {"ViewPosition": "PA"},
        {"ViewPosition": "LLD"},  # decubitus: frontal, the patient lies on a side
        {"ViewPosition": ""},
        {"ViewPosition": None},
        {"ViewCodeSequence": code("272479007")},
        {"ViewCodeSequence": Sequence([])},
        {"PatientOrientation": ["L", "F"]},
        {"PatientOrientation": ""},
        {"BodyPartExamined": "CHEST PA"},
        {"BodyPartExamined": "THORAX"},
        {"BodyPartExamined": ""},
        {"BodyPartExamined": None},
    ],
)
def test_frontal_views_of_the_chest_are_read(changes: dict[str, Any]) -> None:
    assert read(radiograph(shadows(), **changes)).format == "DICOM"


@pytest.mark.parametrize("part", ["LEG", "HAND", "SKULL", "ABDOMEN", "C-SPINE", "Upper Extremity "])
def test_other_parts_of_the_body_are_refused(part: str) -> None:
    with pytest.raises(NotAChestXray, match="another part of the body"):
        read(radiograph(shadows(), BodyPartExamined=part))


def test_too_few_pixels_are_no_chest() -> None:
    with pytest.raises(NotAChestXray, match="too few"):
        read(radiograph(shadows(31, 80)))


@pytest.mark.parametrize("syntax", ["explicit", "RLE", "JPEG", "JPEG lossless", "JPEG 2000"])
def test_too_many_pixels_are_refused_by_the_header(syntax: str) -> None:
    dataset = radiograph(shadows(64, 64, 8).astype(np.uint8), 8)
    with pytest.raises(TooLarge, match="megapixels"):
        read(dataset, syntax, Rows=60_000, Columns=60_000)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"Rows": None}, "lacks Rows"),
        ({"BitsStored": None}, "lacks Rows"),
        ({"PhotometricInterpretation": None}, "black or white"),
        ({"HighBit": 10}, "contradict"),
        ({"HighBit": 16}, "contradict"),
    ],
)
def test_headers_that_do_not_describe_a_picture_are_refused(
    changes: dict[str, Any], match: str
) -> None:
    with pytest.raises(UndecodableImage, match=match):
        read(radiograph(shadows(), **changes))


def test_a_frame_number_that_is_none_is_refused() -> None:
    data = file_bytes(radiograph(shadows(), NumberOfFrames=1))
    with pytest.raises(UndecodableImage, match="number"):
        decode(data.replace(b"IS\x02\x001 ", b"IS\x02\x001A"), Limits())


@pytest.mark.parametrize(
    ("age", "years"),
    [
        ("005Y", 5),
        ("012M", 1),
        ("071M", 5),
        ("011M", 0),
        ("104W", 1),
        ("730D", 1),
        ("731D", 2),
        ("22Y", 22),
        ("five", None),
        ("", None),
        ("0005Y", None),
    ],
)
def test_ages_are_completed_years(age: str, years: int | None) -> None:
    assert read(radiograph(shadows(), PatientAge=age)).age_years == years


@pytest.mark.parametrize(("value", "codes"), [("YES", ["burned_in_annotation"]), ("NO", [])])
def test_burned_in_annotations_are_passed_on(value: str, codes: list[str]) -> None:
    found = read(radiograph(shadows(), BurnedInAnnotation=value, **WINDOW))
    assert [warning.code for warning in found.warnings] == codes


def test_uids_that_are_none_are_not_passed_on() -> None:
    data = file_bytes(radiograph(shadows(), SeriesInstanceUID=None))
    data = data.replace(b"1.2.3.4.1", b"Smith^Jon")
    assert decode(data, Limits()).uids == Uids(study=None, series=None, instance="1.2.3.4.3")


def test_refusals_repeat_nothing_of_the_file() -> None:
    data = real_file("RG3_J2KI.dcm")
    for broken in (data, data[:3000], data.replace(b"CR", b"XX"), data.replace(b"IMPLE", b"00000")):
        with pytest.raises(PneumoniaError) as caught:
            decode(broken, Limits())
        assert "RG3" not in caught.value.detail
        assert "EXTREMITY" not in caught.value.detail


@pytest.mark.parametrize("syntax", ["JPEG", "JPEG 2000"])
def test_padding_keeps_the_picture_from_being_made_smaller(syntax: str) -> None:
    samples = shadows(256, 256, 8).astype(np.uint8)
    dataset = radiograph(samples, 8)
    frame = frame_of(syntax, samples, 8)
    small = decode(file_bytes(dataset, syntax, frame=frame), Limits(), at_least=32)
    assert small.image.size == (64, 64)
    assert (small.width, small.height) == (256, 256)
    padded = radiograph(samples, 8, PixelPaddingValue=3)
    padded["PixelPaddingValue"].VR = "US"
    whole = decode(file_bytes(padded, syntax, frame=frame), Limits(), at_least=32)
    assert whole.image.size == (256, 256)
