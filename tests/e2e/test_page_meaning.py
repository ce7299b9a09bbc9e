"""What an answer means: for whom, at which threshold, within which band, at which prevalence."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from service.inference.operating_point import OperatingPoint, Rate, UncertainBand
from tests.browser import Reader, upload
from tests.dicom import file_bytes, radiograph, shadows
from tests.e2e.conftest import ReaderFactory
from tests.images import encode, image_bytes
from tests.process import ServiceProcess, service_process
from tests.tiny_model import write_tiny_model

BRIGHT = upload("bright.jpg", image_bytes(200))
BETWEEN = upload("between.jpg", image_bytes(110))


def rate(value: float) -> Rate:
    return Rate(value=value, low=value - 0.05, high=value + 0.01)


def point(name: str, threshold: float, **more: object) -> OperatingPoint:
    fields = {"sensitivity": rate(0.9), "specificity": rate(0.8), "rule": "by hand", "data": "none"}
    return OperatingPoint.model_validate({"name": name, "threshold": threshold, **fields, **more})


BAND = UncertainBand(
    pneumonia=rate(0.2), normal=rate(0.1), sensitivity=rate(0.95), specificity=rate(0.97)
)


@pytest.fixture(scope="module")
def measured_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service whose model states its prevalence and what its uncertain band does."""
    folder = tmp_path_factory.mktemp("measured")
    write_tiny_model(
        folder / "measured.onnx",
        calibration_prevalence=0.74,
        population_age_years=(1, 5),
        site="St Mary, Leeds",
        operating_points=(
            point("balanced", 0.5, uncertain_low=0.25, uncertain_high=0.75, uncertain=BAND),
            point("screening", 0.2),
        ),
    )
    with service_process(folder / "measured.onnx", folder) as service:
        yield service


@pytest.fixture
def measured(open_reader: ReaderFactory, measured_service: ServiceProcess) -> Reader:
    reader = open_reader(url=measured_service.url)
    reader.open()
    return reader


def test_the_page_says_whose_thresholds_they_are(measured: Reader, reader: Reader) -> None:
    words = "Threshold and figures were fitted to the images of St Mary, Leeds"
    for reading, expected in ((measured, words), (reader, "came with the model")):
        reading.add(BRIGHT)
        expect(reading.card.locator(".meaning")).to_contain_text(expected)
        reading.page.keyboard.press("m")
        expect(reading.page.get_by_role("dialog")).to_contain_text(expected.split(" of ")[-1])


def test_above_a_screening_threshold_is_not_called_pneumonia(measured: Reader) -> None:
    measured.add(BETWEEN, BRIGHT)
    row, words = measured.case("between.jpg"), "Above the screening threshold"
    expect(measured.verdict).to_contain_text("Uncertain")
    balanced = {name: look(measured, name) for name in ("bright.jpg", "between.jpg")}
    measured.page.get_by_label("Screening").check()
    expect(measured.verdict).to_contain_text(words)
    expect(measured.verdict).to_contain_text("Look at the image")
    expect(measured.verdict).not_to_contain_text("acterial")
    expect(row.locator(".col-decision")).to_have_text(words)
    assert look(measured, "between.jpg") not in balanced.values(), "colour and shape of its own"
    options = measured.page.get_by_label("Filter by answer").locator("option")
    expect(options.nth(1)).to_have_text("Above threshold (2)")
    cases = json.loads(saved_json(measured))["cases"]
    assert [case["decision"] for case in cases] == ["pneumonia", "pneumonia"], "as the API has it"


def look(reader: Reader, name: str) -> tuple[str, str]:
    """The colour and the shape of a case's answer in the list."""
    cell = reader.case(name).locator(".col-decision")
    colour = cell.evaluate("cell => getComputedStyle(cell).color")
    shape = cell.locator("use").get_attribute("href")
    assert shape
    return colour, shape


def test_a_measured_band_is_told_in_numbers_of_patients(measured: Reader) -> None:
    measured.add(BETWEEN)
    expect(measured.verdict).to_contain_text("Uncertain")
    for words in (
        "Of 100 children with pneumonia 20 fall into the uncertain band; of 100 without, 10.",
        "Of those outside the band it finds 95 of 100 with pneumonia and clears 97 of 100 without.",
        "90 to 96, and 92 to 98",
    ):
        expect(measured.card).to_contain_text(words)
    expect(measured.card).not_to_contain_text("it finds 90")


def test_figures_that_leave_the_band_out_say_so(reader: Reader) -> None:
    reader.open("point=careful")
    reader.add(BRIGHT)
    expect(reader.card).to_contain_text("those of the threshold alone, as if nothing were")
    reader.page.get_by_label("Balanced").check()
    expect(reader.card).not_to_contain_text("those of the threshold alone")


def test_the_answer_is_adjusted_to_the_readers_prevalence_as_the_service_does(
    measured: Reader, measured_service: ServiceProcess
) -> None:
    measured.add(BRIGHT)
    expect(measured.card).to_contain_text("calibrated for images of which 74 in 100 show pneumonia")
    expect(measured.card).not_to_contain_text("Adjusted")
    plain = measured.card.locator(".figure").inner_text()
    field = measured.page.get_by_label("Patients with pneumonia, of 100 of yours")
    field.fill("10")
    field.press("Enter")
    expect(field).to_be_focused()
    adjusted = measured_service.post(
        "/predict", params={"prevalence": 0.1}, files={"file": image_bytes(200)}
    ).json()["adjusted"]
    expect(measured.card).to_contain_text(
        f"Adjusted: where 10 of 100 patients have pneumonia, the probability is "
        f"{adjusted['probability']:.1%}."
    )
    positive, negative = (adjusted[f"{name}_predictive_value"] for name in ("positive", "negative"))
    expect(measured.card).to_contain_text(
        f"of 100 answers “Pneumonia” {100 * positive:.0f} are right, "
        f"and of 100 answers “Normal” {100 * negative:.0f}"
    )
    expect(measured.card.locator(".figure")).to_have_text(plain)
    expect(measured.verdict).to_contain_text("Pneumonia")
    case = json.loads(saved_json(measured))["cases"][0]
    assert case["prevalence"] == 0.1
    assert case["adjusted_probability"] == pytest.approx(adjusted["probability"], abs=1e-4)
    assert case["positive_predictive_value"] == pytest.approx(positive)
    measured.page.reload()
    measured.page.wait_for_selector("body[data-ready]")
    measured.add(BRIGHT)
    expect(field).to_have_value("10")
    field.fill("")
    field.press("Enter")
    expect(measured.card).not_to_contain_text("Adjusted")
    expect(measured.page).not_to_have_url(re.compile("prevalence"))


def test_a_model_that_does_not_say_its_prevalence_has_nothing_adjusted(reader: Reader) -> None:
    reader.open("prevalence=0.1")
    reader.add(BRIGHT)
    expect(reader.page.get_by_label("Patients with pneumonia")).to_have_count(0)
    case = json.loads(saved_json(reader))["cases"][0]
    assert (case["prevalence"], case["adjusted_probability"]) == (None, None)


@pytest.mark.parametrize("prevalence", ["0", "1", "2", "ten", ""])
def test_a_prevalence_that_is_no_share_is_ignored(measured: Reader, prevalence: str) -> None:
    measured.open(f"prevalence={prevalence}")
    measured.add(BRIGHT)
    expect(measured.page.get_by_label("Patients with pneumonia")).to_have_value("")
    expect(measured.card).not_to_contain_text("Adjusted")


def test_for_a_patient_outside_the_population_no_figure_is_given(measured: Reader) -> None:
    measured.open("prevalence=0.1")
    dataset = radiograph(shadows(256, 256), PatientAge="064Y")
    measured.add(upload("old.dcm", file_bytes(dataset), "application/dicom"))
    expect(measured.card).to_contain_text("figures holds for this patient")
    expect(measured.card).to_contain_text("Adjusted")
    expect(measured.card).not_to_contain_text("of 100 without")
    expect(measured.card).not_to_contain_text("are right")
    case = json.loads(saved_json(measured))["cases"][0]
    assert "outside_training_population" in case["warnings"]
    assert case["positive_predictive_value"] is None
    dataset = radiograph(shadows(256, 256))
    measured.add(upload("ageless.dcm", file_bytes(dataset), "application/dicom"))
    expect(measured.card).to_contain_text("so nobody knows whether the model")


def test_the_lungs_are_framed_and_evidence_outside_them_is_told(
    open_reader: ReaderFactory, tmp_path: Path
) -> None:
    write_tiny_model(tmp_path / "lungs.onnx", lungs=True, limit=0.49)
    # brighter towards a corner, so that no side of it is a plain border
    film = (215 + np.add.outer(np.arange(256), np.arange(256)) / 13).astype(np.uint8)
    film[40:200, 32:104] = film[40:200, 152:216] = 40
    with service_process(tmp_path / "lungs.onnx", tmp_path) as service:
        data = encode(Image.fromarray(film), "PNG")
        lungs = service.post("/predict", files={"file": data}).json()["lungs"]
        reader = open_reader(url=service.url)
        reader.open()
        reader.add(upload("film.png", data, "image/png"))
        reader.wait_for_image()
        expect(reader.card).to_contain_text(
            f"{lungs['evidence_outside']:.0%} of the evidence lies outside the lungs"
        )
        frame = reader.page.locator(".viewport .lungs").first.bounding_box()
        shown = reader.page.locator(".film").first.bounding_box()
        assert frame is not None
        assert shown is not None
        left = (frame["x"] - shown["x"]) / shown["width"]
        assert left == pytest.approx(lungs["left"], abs=0.01)
        assert frame["height"] / shown["height"] == pytest.approx(
            lungs["bottom"] - lungs["top"], abs=0.01
        )
        reader.page.keyboard.press("e")
        expect(reader.page.locator(".viewport .lungs").first).to_be_hidden()


def saved_json(reader: Reader) -> bytes:
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name="JSON").click()
    return Path(download.value.path()).read_bytes()
