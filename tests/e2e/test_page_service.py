"""The page with the shipped model and real X-rays, and with a service that changes under it."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Route, expect

from service.settings import DEFAULT_MODEL
from tests.browser import Reader, upload
from tests.e2e.conftest import ReaderFactory
from tests.needs import shared
from tests.pictures import picture
from tests.process import service_process
from tests.tiny_model import write_tiny_model


@pytest.mark.skipif(not DEFAULT_MODEL.exists(), reason="needs the shipped model")
def test_real_x_rays_are_answered_and_a_photograph_is_not_taken_for_one(
    open_reader: ReaderFactory, tmp_path: Path
) -> None:
    images = [
        first(shared("data", "chest_xray_native", "PNEUMONIA")),
        first(shared("data", "chest_xray_native", "NORMAL")),
        first(shared("data", "nih_adult", "NORMAL")),
    ]
    photograph = first(shared("data", "not_chest_xray"))
    with service_process(DEFAULT_MODEL, tmp_path) as service:
        reader = open_reader(url=service.url)
        reader.open()
        reader.add(*images, photograph)
        for image in images:
            answer = httpx.post(f"{service.url}/predict", files={"file": image.read_bytes()}).json()
            reader.case(image.name).locator(".pick").click()
            expect(reader.verdict).to_have_attribute("data-decision", answer["decision"])
            expect(reader.card.locator(".figure")).to_have_text(f"{answer['probability']:.1%}")
            reader.wait_for_picture()
            expect(reader.page.locator(".stage .evidence").first).to_have_js_property(
                "complete", True
            )
        reader.case(photograph.name).locator(".pick").click()
        contract = httpx.get(f"{service.url}/model").json()["contract"]
        if contract["input_check_limit"] is None:
            expect(reader.card).to_contain_text("This model cannot tell whether an image is one")
        else:
            expect(reader.verdict).to_contain_text("Not judged")


def test_a_new_model_behind_the_page_reads_everything_again(
    open_reader: ReaderFactory, tiny_model: Path, tmp_path: Path
) -> None:
    """Thresholds of one model must never judge the answers of another."""
    other = tmp_path / "other.onnx"
    contract = write_tiny_model(tmp_path / "unused.onnx")
    strict = contract.operating_points[0].model_copy(update={"threshold": 0.999})
    write_tiny_model(other, version="2.0", operating_points=(strict,))
    with service_process(tiny_model, tmp_path) as service:
        reader = open_reader(url=service.url)
        reader.open("point=screening")
        reader.add(upload("first.jpg", picture(200)))
        expect(reader.case("first.jpg")).to_contain_text("Pneumonia")
        reader.wait_for_picture()
    with service_process(other, tmp_path, port=service.port):
        reader.add(upload("second.jpg", picture(200)))
        for name in ("first.jpg", "second.jpg"):
            expect(reader.case(name)).to_contain_text("Normal")
        expect(reader.page.get_by_label("Balanced")).to_be_checked()
        reader.page.keyboard.press("m")
        expect(reader.page.get_by_role("dialog")).to_contain_text("tiny 2.0")


def test_answers_of_two_models_are_never_mixed(reader: Reader) -> None:
    def change(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        route.fulfill(response=answer, json=body | {"model": body["model"] | {"sha256": "0" * 64}})

    reader.page.route("**/predict", change)
    reader.add(upload("case.jpg", picture(200)))
    expect(reader.verdict).to_contain_text("different models")
    assert reader.uploads() == 2


def test_a_service_that_comes_back_is_used_again(
    open_reader: ReaderFactory, tiny_model: Path, tmp_path: Path
) -> None:
    with service_process(tiny_model, tmp_path) as service:
        reader = open_reader(url=service.url)
        reader.open()
    reader.add(upload("case.jpg", picture(200)))
    expect(reader.verdict).to_contain_text("The service cannot be reached")
    reader.complaints.clear()  # the browser's own line about the broken connection
    with service_process(tiny_model, tmp_path, port=service.port):
        reader.card.get_by_role("button", name="Retry").click()
        expect(reader.verdict).to_contain_text("Pneumonia")
        reader.wait_for_picture()


def first(folder: Path) -> Path:
    return min(path for path in folder.iterdir() if path.is_file())
