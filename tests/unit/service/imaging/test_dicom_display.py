"""From stored values to grey: the standard's formulas, against pydicom's own and by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from service.errors import NotAChestXray, UndecodableImage
from service.imaging.dicom_display import to_grey
from service.imaging.dicom_header import read_header
from service.imaging.dicom_pixels import read_layout, read_samples
from service.imaging.radiograph import Pixels, PredictionWarning
from tests.dicom import RawText, Samples, file_bytes, lut, radiograph, read, shadows
from tests.dicom_files import real_file

WHOLE: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 4096}


def shown(data: bytes) -> tuple[Pixels, tuple[PredictionWarning, ...]]:
    header = read_header(data)
    layout = read_layout(header)
    return to_grey(header, layout, read_samples(header, layout))


def grey(dataset: Dataset, syntax: str = "explicit") -> Pixels:
    return shown(file_bytes(dataset, syntax))[0]


def as_pydicom_shows(data: bytes, low: float, high: float) -> Samples:
    """The values that pydicom's pipeline gives, from ``low`` .. ``high`` to 0..255."""
    dataset = read(data)
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    pixels: Samples = np.rint((values.astype(float) - low) / (high - low) * 255).astype(int)
    return pixels


def assert_close(found: Pixels, expected: Any, most: int = 1) -> None:
    assert np.abs(found.astype(int) - expected).max() <= most


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize(("place", "width"), [(0.5, 4096), (0.4, 900), (0.5, 1), (0.6, 2)])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.5, -300), (-2, 5000)])
def test_windows_are_those_of_pydicom(
    signed: bool, function: str | None, place: float, width: float, slope: float, intercept: float
) -> None:
    samples = shadows().astype(np.int16) - 2048 if signed else shadows()
    ends = np.array([-2048, 2047] if signed else [0, 4095]) * slope + intercept
    center = round(float(ends[0] + place * (ends[1] - ends[0])), 1)
    changes: dict[str, Any] = {"WindowCenter": center, "WindowWidth": width}
    if function:
        changes["VOILUTFunction"] = function
    if (slope, intercept) != (1, 0):
        changes |= {"RescaleSlope": slope, "RescaleIntercept": intercept}
    data = file_bytes(radiograph(samples, **changes))
    # pydicom spreads grey from what the lowest to what the highest stored value becomes
    with np.errstate(over="ignore"):
        expected = as_pydicom_shows(data, *ends)
    assert_close(shown(data)[0], expected)


def test_a_real_voi_table_is_applied_as_pydicom_does() -> None:
    data = real_file("vlut_04.dcm")
    assert_close(shown(data)[0], as_pydicom_shows(data, 0, 65535))


def test_a_real_modality_table_is_applied_as_pydicom_does() -> None:
    data = real_file("mlut_18.dcm")
    values = apply_modality_lut(read(data).pixel_array, read(data)).astype(float)
    low, high = np.percentile(values, [0.5, 99.5])
    expected = np.clip((values - low) / (high - low), 0, 1) * 255
    assert_close(shown(data)[0], expected)


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big endian"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_voi_table_of_8_bits_is_read_in_words_and_in_bytes(syntax: str, packed: bool) -> None:
    table = (255 * (np.arange(4096) / 4095) ** 2).astype(np.uint8)
    dataset = radiograph(shadows(), VOILUTSequence=lut(table, 0, 8, packed))
    if syntax == "big endian":
        item = dataset.VOILUTSequence[0]
        item.LUTData = np.frombuffer(item.LUTData, "<u2").astype(">u2").tobytes()
    np.testing.assert_array_equal(grey(dataset, syntax), table[shadows()])


def test_values_outside_a_table_take_its_ends() -> None:
    samples = shadows().astype(np.int16) - 2048
    table = np.linspace(4000, 65000, 1001).astype(np.uint16)
    dataset = radiograph(samples, VOILUTSequence=lut(table, -500, 16))
    expected = table[np.clip(samples + 500, 0, 1000)] / 65535 * 255
    assert_close(grey(dataset), expected)


def test_a_table_of_65536_entries_announces_none() -> None:
    samples = shadows(bits=16)
    table = np.arange(65536)[::-1].astype(np.uint16)
    dataset = radiograph(samples, 16, VOILUTSequence=lut(table, 0, 16))
    assert_close(grey(dataset), (65535 - samples) / 257)


def test_a_table_that_uses_more_bits_than_it_announces_does_not_overflow() -> None:
    table = np.arange(4096).astype(np.uint16)
    dataset = radiograph(shadows(), VOILUTSequence=lut(table, 0, 10))
    assert_close(grey(dataset), shadows() / 4095 * 255)


def test_the_modality_table_comes_before_the_window() -> None:
    table = np.linspace(0, 1000, 4096).astype(np.uint16)
    changes: dict[str, Any] = {"WindowCenter": 500, "WindowWidth": 1000}
    changes["VOILUTFunction"] = "LINEAR_EXACT"
    dataset = radiograph(shadows(), ModalityLUTSequence=lut(table, 0, 16), **changes)
    assert_close(grey(dataset), table[shadows()] / 1000 * 255)


def test_a_voi_table_comes_before_a_window_and_the_first_of_several_counts() -> None:
    rising = np.arange(4096).astype(np.uint16)
    sequence = lut(rising, 0, 12)
    sequence.append(lut(rising[::-1].copy(), 0, 12)[0])
    dataset = radiograph(shadows(), VOILUTSequence=sequence, WindowCenter=0, WindowWidth=2)
    assert_close(grey(dataset), shadows() / 4095 * 255)
    several = radiograph(shadows(), WindowCenter=[2048, 10], WindowWidth=[4096, 1])
    assert_close(grey(several), shadows() / 4095 * 255)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),  # says the same thing twice
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_it_is_inverted_once_and_after_the_window(
    photometric: str, shape: str | None, inverted: bool
) -> None:
    window: dict[str, Any] = {"WindowCenter": 2000, "WindowWidth": 800}
    plain = grey(radiograph(shadows(), **window))
    changes = {**window, "PhotometricInterpretation": photometric}
    if shape:
        changes["PresentationLUTShape"] = shape
    found = grey(radiograph(shadows(), **changes))
    np.testing.assert_array_equal(found, 255 - plain if inverted else plain)
    assert plain.min() == 0
    assert plain.max() == 255


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("signed", [False, True])
def test_padding_is_black_and_does_not_count_for_the_window(signed: bool, photometric: str) -> None:
    samples = shadows()
    # in the middle half of the range, so that padding outside of it would change the percentiles
    values = samples // 2 + 1024
    if signed:
        values = values.astype(np.int16) - 2048
    padding = -2000 if signed else 4000
    inner = grey(radiograph(values, PhotometricInterpretation=photometric))
    framed = values.copy()
    framed[:, :30] = padding
    framed[:10] = padding + 3
    dataset = radiograph(
        framed,
        PhotometricInterpretation=photometric,
        PixelPaddingValue=padding,
        PixelPaddingRangeLimit=padding + 3,
    )
    for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        dataset[tag].VR = "SS" if signed else "US"
    found = grey(dataset)
    assert not found[:, :30].any()
    assert not found[:10].any()
    assert_close(found[10:, 30:], inner[10:, 30:], most=16)
    assert found[10:, 30:].std() > 0.8 * inner.std()


def test_nothing_but_padding_is_no_chest() -> None:
    dataset = radiograph(np.full((40, 40), 7, np.uint16), PixelPaddingValue=7)
    dataset["PixelPaddingValue"].VR = "US"
    with pytest.raises(NotAChestXray, match="padding"):
        grey(dataset)


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"WindowCenter": 2048},
        {"WindowCenter": 2048, "WindowWidth": 0},
        {"WindowCenter": "", "WindowWidth": ""},
    ],
)
def test_percentiles_take_the_place_of_a_missing_window_and_are_named(
    window: dict[str, Any],
) -> None:
    samples = shadows(400, 400) // 4 + 1500
    samples[0, :20] = 0  # a few outliers must not count
    samples[1, :20] = 4095
    pixels, warnings = shown(file_bytes(radiograph(samples, **window)))
    assert [warning.code for warning in warnings] == ["percentile_window"]
    low, high = np.percentile(samples, [0.5, 99.5])
    assert_close(pixels, np.clip((samples - low) / (high - low), 0, 1) * 255, most=2)


def test_a_flat_image_without_a_window_is_shown() -> None:
    assert np.unique(grey(radiograph(np.full((40, 40), 900, np.uint16)))).size == 1


@pytest.mark.parametrize("signed", [False, True])
def test_8_bits_without_a_window_are_shown_as_they_are(signed: bool) -> None:
    samples = shadows(bits=8).astype(np.uint8)
    stored = (samples.astype(np.int16) - 128).astype(np.int8) if signed else samples
    pixels, warnings = shown(file_bytes(radiograph(stored, 8)))
    assert warnings == ()
    np.testing.assert_array_equal(pixels, samples)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"RescaleSlope": 0, "RescaleIntercept": 1}, "slope is zero"),
        ({"RescaleSlope": 1, "RescaleIntercept": RawText("1,5")}, "not a number"),
        ({"RescaleSlope": RawText("NaN"), "RescaleIntercept": 0}, "not a number"),
        ({"ModalityLUTSequence": lut(np.arange(10), 0, 16)}, "shorter than announced"),
    ],
)
def test_modality_transforms_that_cannot_be_applied_are_refused(
    changes: dict[str, Any], match: str
) -> None:
    if "ModalityLUTSequence" in changes:
        changes["ModalityLUTSequence"][0].LUTDescriptor = [11, 0, 16]
    with pytest.raises(UndecodableImage, match=match):
        grey(radiograph(shadows(), **WHOLE, **changes))


def test_a_modality_table_without_a_descriptor_is_refused() -> None:
    sequence = lut(np.arange(10), 0, 16)
    del sequence[0].LUTDescriptor
    with pytest.raises(UndecodableImage, match="no descriptor"):
        grey(radiograph(shadows(), ModalityLUTSequence=sequence))


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-1.#QNAN", "3.4e38", "2047,5", "2048 HU", "x"]
)
@pytest.mark.parametrize("keyword", ["WindowCenter", "WindowWidth"])
def test_a_window_that_is_not_a_number_is_as_if_there_were_none(keyword: str, value: str) -> None:
    without = grey(radiograph(shadows()))
    pixels, warnings = shown(
        file_bytes(radiograph(shadows(), **{**WHOLE, keyword: RawText(value)}))
    )
    assert [warning.code for warning in warnings] == ["percentile_window"]
    np.testing.assert_array_equal(pixels, without)


@pytest.mark.parametrize("function", ["SOMETHING", "linear", "Linear "])
def test_an_unknown_voi_lut_function_is_linear(function: str) -> None:
    expected = grey(radiograph(shadows(), **WHOLE))
    found = grey(radiograph(shadows(), **WHOLE, VOILUTFunction=function))
    np.testing.assert_array_equal(found, expected)


def test_functions_are_recognised_in_any_case() -> None:
    expected = grey(radiograph(shadows(), **WHOLE, VOILUTFunction="SIGMOID"))
    found = grey(radiograph(shadows(), **WHOLE, VOILUTFunction="Sigmoid"))
    np.testing.assert_array_equal(found, expected)


def test_a_linear_window_narrower_than_1_is_for_small_values() -> None:
    small: dict[str, Any] = {"RescaleSlope": 0.0001, "RescaleIntercept": 0}
    window: dict[str, Any] = {"WindowCenter": 0.20475, "WindowWidth": 0.4095}
    assert_close(grey(radiograph(shadows(), **small, **window)), shadows() / 4095 * 255)


@given(
    used=st.integers(8, 16),
    declared=st.integers(8, 16),
    first=st.integers(-300, 300),
    more=st.integers(0, 300),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    syntax=st.sampled_from(["implicit", "explicit"]),
)
def test_the_range_of_a_voi_table_is_that_of_its_entries(
    used: int, declared: int, first: int, more: int, photometric: str, syntax: str
) -> None:
    """However many bits a table announces, the image is that of the same table in 16 bits."""
    samples = shadows(40, 50).astype(np.int16) - 2048
    curve = np.linspace(0, 1, 4096 - first + more) ** 1.5
    changes: dict[str, Any] = {"PhotometricInterpretation": photometric}
    entries = np.rint(curve * ((1 << used) - 1)).astype(np.uint16)
    table = lut(entries, first - 2048, declared)
    pixels, warnings = shown(
        file_bytes(radiograph(samples, **changes, VOILUTSequence=table), syntax)
    )
    full = lut(np.rint(curve * 65535).astype(np.uint16), first - 2048, 16)
    assert_close(pixels, grey(radiograph(samples, **changes, VOILUTSequence=full)).astype(int))
    assert [warning.code for warning in warnings] == ["assumed_bit_depth"] * (used < declared)


@given(
    bits=st.integers(9, 16),
    slope=st.floats(0.01, 100),
    intercept=st.integers(-2000, 2000),
    low=st.floats(0, 0.3),
    high=st.floats(0.7, 1),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
)
def test_a_window_shows_the_same_values_whatever_the_rescale(
    bits: int, slope: float, intercept: int, low: float, high: float, photometric: str
) -> None:
    samples = shadows(40, 50, bits=bits)
    white = (1 << bits) - 1
    shape: dict[str, Any] = {
        "RescaleSlope": f"{slope:.6g}",
        "RescaleIntercept": intercept,
        "WindowCenter": f"{float(f'{slope:.6g}') * (low + high) / 2 * white + intercept:.10g}",
        "WindowWidth": f"{float(f'{slope:.6g}') * (high - low) * white:.10g}",
        "VOILUTFunction": "LINEAR_EXACT",
        "PhotometricInterpretation": photometric,
    }
    expected = ((samples / white - low) / (high - low)).clip(0, 1)
    if photometric == "MONOCHROME1":
        expected = 1 - expected
    assert_close(grey(radiograph(samples, bits, **shape)), expected * 255)


BROKEN_TABLES: dict[str, dict[str, Any]] = {
    "shorter than announced": {"LUTDescriptor": [4096, 0, 12], "LUTData": b"\0\1" * 4000},
    "no descriptor": {"LUTDescriptor": None},
    "no entries": {"LUTData": None},
    "all the same": {"LUTData": b"\0\1" * 4096},
    "for other values": {"LUTDescriptor": [4096, 60_000, 12]},
}


@pytest.mark.parametrize("kind", BROKEN_TABLES)
@pytest.mark.parametrize("window", [WHOLE, {}])
def test_a_voi_table_that_cannot_be_used_gives_way_to_what_is_beside_it(
    kind: str, window: dict[str, Any]
) -> None:
    table = lut(np.arange(4096).astype(np.uint16), 0, 12)
    for keyword, value in BROKEN_TABLES[kind].items():
        if value is None:
            delattr(table[0], keyword)
        else:
            setattr(table[0], keyword, value)
    pixels, warnings = shown(file_bytes(radiograph(shadows(), **window, VOILUTSequence=table)))
    np.testing.assert_array_equal(pixels, grey(radiograph(shadows(), **window)))
    codes = ["ignored_voi_lut"] + ["percentile_window"] * (not window)
    assert [warning.code for warning in warnings] == codes


def test_a_window_that_would_show_nothing_is_left_out() -> None:
    pixels, warnings = shown(
        file_bytes(radiograph(shadows(), WindowCenter=40_000, WindowWidth=1000))
    )
    np.testing.assert_array_equal(pixels, grey(radiograph(shadows())))
    assert [warning.code for warning in warnings] == ["percentile_window"]


@pytest.mark.parametrize(
    "changes",
    [
        {"WindowCenter": 1e14, "WindowWidth": 1e-14},
        {"WindowCenter": -1e14, "WindowWidth": 1e-14, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 1e14, "WindowWidth": 1e14, "VOILUTFunction": "LINEAR_EXACT"},
        {"RescaleSlope": 1e14, "RescaleIntercept": -1e14},
        {"RescaleSlope": 1e-14, "RescaleIntercept": 1e14},
        {"VOILUTSequence": lut(np.zeros(1, np.uint16), 0, 0)},
        {"VOILUTSequence": lut(np.zeros(1, np.uint16), 0, 65535)},
    ],
)
def test_absurd_numbers_give_some_image_and_no_warning(changes: dict[str, Any]) -> None:
    assert grey(radiograph(shadows(), **changes)).shape == shadows().shape
