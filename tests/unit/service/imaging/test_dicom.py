"""DICOM radiographs as a whole: what is read, what is refused and why, what is passed on."""

import struct
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from service.errors import (
    NotAChestXray,
    PneumoniaError,
    TooLarge,
    UndecodableImage,
    UnsupportedType,
)
from service.imaging.dicom import DicomFile
from service.imaging.radiograph import Limits, Radiograph, Uids
from tests.dicom import RawText, file_bytes, radiograph, shadows
from tests.dicom_files import real_file

# they are about the file, and kept from its reader in the service
pytestmark = pytest.mark.filterwarnings("ignore:::pydicom")

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SOP_CLASSES = [
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1.1",
]
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}


def read_bytes(data: bytes) -> Radiograph:
    return DicomFile(data, Limits()).decode()


def read(dataset: Dataset, syntax: str = "explicit", **options: Any) -> Radiograph:
    return read_bytes(file_bytes(dataset, syntax, **options))


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


@pytest.mark.parametrize("modality", ["CR", "DX", "cr", " Dx"])
@pytest.mark.parametrize("sop_class", [*SOP_CLASSES, SECONDARY_CAPTURE, None])
def test_the_modality_decides(modality: str, sop_class: str | None) -> None:
    found = read(radiograph(shadows(), Modality=modality, SOPClassUID=sop_class, **WINDOW))
    assert found.warnings == ()


@pytest.mark.parametrize("modality", ["DR", "", None, "OT", "Smith"])
@pytest.mark.parametrize("sop_class", SOP_CLASSES)
def test_the_sop_class_decides_where_the_modality_does_not(
    modality: str | None, sop_class: str
) -> None:
    found = read(radiograph(shadows(), Modality=modality, SOPClassUID=sop_class, **WINDOW))
    assert found.warnings == ()


def test_the_sop_class_may_stand_in_the_meta_information_alone() -> None:
    dataset = radiograph(shadows(), Modality=None, SOPClassUID=None, **WINDOW)
    data = file_bytes(dataset)
    uid = b"1.2.840.10008.5.1.4.1.1.1\0"
    meta = b"\x02\0\x02\0UI" + struct.pack("<H", len(uid)) + uid
    at = data.index(b"\x02\0\x10\0UI")
    assert read_bytes(data[:at] + meta + data[at:]).format == "DICOM"


def test_a_contradiction_of_modality_and_sop_class_is_told() -> None:
    found = read(radiograph(shadows(), SOPClassUID=CT_IMAGE, **WINDOW))
    assert [warning.code for warning in found.warnings] == ["modality_contradiction"]


def test_the_photometric_interpretation_is_read_in_any_case() -> None:
    found = read(radiograph(shadows(), PhotometricInterpretation="Monochrome2", **WINDOW))
    assert found.image.tobytes() == read(radiograph(shadows(), **WINDOW)).image.tobytes()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"Modality": "CT"}, "modality CT"),
        ({"Modality": "MG"}, "modality MG"),
        ({"Modality": "CT", "SOPClassUID": CT_IMAGE}, "modality CT; only"),
        ({"Modality": "Smith", "SOPClassUID": CT_IMAGE}, "another modality"),
        ({"Modality": "", "SOPClassUID": CT_IMAGE}, "names none"),
        ({"Modality": None, "SOPClassUID": None}, "names none"),
        ({"Modality": "CT"}, "modality CT, although its SOP class is that of a radiograph"),
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
        ("1.2.840.10008.1.2.4.103", "H.264"),
        ("1.2.840.10008.1.2.4.94", "JPIP"),
        ("1.2.3.4.5.6.7.8", "an unknown transfer syntax"),
    ],
)
def test_codecs_that_are_not_there_are_named(uid: str, match: str) -> None:
    data = file_bytes(radiograph(shadows()), "JPEG 2000", frame=bytes(1000))
    old = b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.4.90"
    new = uid.encode() + b"\0" * (len(uid) % 2)
    assert old in data
    data = data.replace(old, b"\x02\0\x10\0UI" + struct.pack("<H", len(new)) + new)
    with pytest.raises(UnsupportedType, match=match):
        read_bytes(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"ViewPosition": "LL"},
        {"ViewPosition": "RL"},
        {"ViewPosition": "lateral "},
        {"ViewPosition": "LEFT LATERAL"},
        {"ViewPosition": "RLO"},
        {"ViewPosition": "LAT-ERECT"},
        {"BodyPartExamined": "LATERAL CHEST"},
        {"ViewPosition": "", "SeriesDescription": "Chest lateral"},
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
        {"ViewPosition": "LAT DECUB"},
        {"SeriesDescription": "CHEST PA/LAT"},
        {"SeriesDescription": "Thorax"},
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
def test_headers_that_do_not_describe_an_image_are_refused(
    changes: dict[str, Any], match: str
) -> None:
    with pytest.raises(UndecodableImage, match=match):
        read(radiograph(shadows(), **changes))


def test_a_frame_number_that_is_none_is_refused() -> None:
    data = file_bytes(radiograph(shadows(), NumberOfFrames=1))
    with pytest.raises(UndecodableImage, match="number"):
        read_bytes(data.replace(b"IS\x02\x001 ", b"IS\x02\x001A"))


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
        ("42", 42),
        ("042y", 42),
        ("6M", 0),
        ("3 W", 0),
        ("42 years", 42),
        ("1Y 11M", 1),
        ("1Y 12M", 2),
        ("<1Y", None),
        ("Y", None),
        ("42X", None),
    ],
)
def test_ages_are_completed_years(age: str, years: int | None) -> None:
    assert read(radiograph(shadows(), PatientAge=RawText(age))).age_years == years


@pytest.mark.parametrize(
    ("born", "dates", "years"),
    [
        ("19500102", {"StudyDate": "20200101"}, 69),
        ("19500101", {"StudyDate": "20200101"}, 70),
        ("19500101", {"AcquisitionDate": "20200101"}, 70),
        ("19500101", {"ContentDate": "20200101"}, 70),
        ("19500101", {"SeriesDate": "20200101"}, 70),
        ("1950.01.01", {"StudyDate": "2020.01.01"}, 70),
        ("20160229", {"StudyDate": "20200228"}, 3),
        ("20200101", {"StudyDate": "20200101"}, 0),
        ("20200102", {"StudyDate": "20200101"}, None),
        ("19500101", {}, None),
        ("19501301", {"StudyDate": "20200101"}, None),
        ("1950", {"StudyDate": "20200101"}, None),
        ("", {"StudyDate": "20200101"}, None),
    ],
)
def test_where_no_age_is_stated_the_dates_count(
    born: str, dates: dict[str, str], years: int | None
) -> None:
    raw: dict[str, Any] = {keyword: RawText(value) for keyword, value in dates.items()}
    for stated in (None, "unknown"):
        changes = raw | {"PatientBirthDate": RawText(born)}
        if stated:
            changes["PatientAge"] = RawText(stated)
        assert read(radiograph(shadows(), **changes)).age_years == years
    changes["PatientAge"] = RawText("004Y")
    assert read(radiograph(shadows(), **changes)).age_years == 4


@pytest.mark.parametrize(("value", "codes"), [("YES", ["burned_in_annotation"]), ("NO", [])])
def test_burned_in_annotations_are_passed_on(value: str, codes: list[str]) -> None:
    found = read(radiograph(shadows(), BurnedInAnnotation=value, **WINDOW))
    assert [warning.code for warning in found.warnings] == codes


def test_uids_that_are_none_are_not_passed_on() -> None:
    data = file_bytes(radiograph(shadows(), SeriesInstanceUID=None))
    data = data.replace(b"1.2.3.4.1", b"Smith^Jon")
    assert read_bytes(data).uids == Uids(study=None, series=None, instance="1.2.3.4.3")


def test_refusals_repeat_nothing_of_the_file() -> None:
    data = real_file("RG3_J2KI.dcm")
    for broken in (data, data[:3000], data.replace(b"CR", b"XX"), data.replace(b"IMPLE", b"00000")):
        with pytest.raises(PneumoniaError) as caught:
            read_bytes(broken)
        assert "RG3" not in caught.value.detail
        assert "EXTREMITY" not in caught.value.detail
