"""The page with the shipped model and real X-rays, and with a service that changes under it."""

from pathlib import Path

import httpx
from playwright.sync_api import Route, expect

from tests.browser import Reader, upload
from tests.e2e.conftest import ReaderFactory
from tests.images import image_bytes
from tests.needs import shared, shipped_model
from tests.process import free_port, service_process
from tests.tiny_model import write_tiny_model
from tests.waiting import PATIENCE_SECONDS


def test_real_x_rays_are_answered_and_a_photograph_is_not_taken_for_one(
    open_reader: ReaderFactory, tmp_path: Path
) -> None:
    images = [
        first(shared("data", "chest_xray_native", "PNEUMONIA")),
        first(shared("data", "chest_xray_native", "NORMAL")),
        first(shared("data", "nih_adult", "NORMAL")),
    ]
    photographs = sorted(shared("data", "not_chest_xray").glob("*.jpeg"))
    with service_process(shipped_model(), tmp_path) as service:
        reader = open_reader(url=service.url)
        reader.open()
        # one that this model refuses: which it does is not the page's matter
        photograph = next(path for path in photographs if ask(service.url, path).status_code == 422)
        reader.add(*images, photograph)
        for image in images:
            answer = ask(service.url, image).json()
            reader.case(image.name).locator(".pick").click()
            expect(reader.verdict).to_have_attribute("data-decision", answer["decision"])
            expect(reader.card.locator(".figure")).to_have_text(percent(answer["probability"]))
            reader.wait_for_image()
            expect(reader.page.locator(".viewport .evidence").first).to_have_js_property(
                "complete", True
            )
        reader.case(photograph.name).locator(".pick").click()
        expect(reader.verdict).to_contain_text("Not recognised as a chest X-ray")


def test_the_example_shows_an_answer_and_evidence_of_the_shipped_model(
    open_reader: ReaderFactory, tmp_path: Path
) -> None:
    """Whatever the model makes of it: a newcomer must not meet a refusal first."""
    with service_process(shipped_model(), tmp_path) as service:
        reader = open_reader(url=service.url)
        reader.open()
        reader.page.get_by_role("button", name="Try an example").click()
        expect(reader.card.locator(".figure")).to_be_visible()
        reader.wait_for_image()
        evidence = reader.page.locator(".viewport .evidence").first
        assert evidence.evaluate("image => image.naturalWidth") > 0
        expect(evidence).to_have_css("opacity", "0.4")
        expect(reader.card).to_contain_text("Reference label there: bacterial pneumonia.")
        with reader.page.context.expect_page() as opened:
            reader.card.get_by_role("link", name="Source and licence").click()
        expect(opened.value.locator("body")).to_contain_text("Creative Commons Attribution 4.0")
        reader.page.get_by_role("button", name="Clear").click()
        reader.page.get_by_role("button", name="One that is refused").click()
        expect(reader.verdict).to_contain_text("Not recognised as a chest X-ray")
        expect(reader.verdict).to_contain_text("bones white")
        expect(reader.card).to_contain_text("grey values inverted, as it must not be sent")


def test_a_new_model_behind_the_page_reads_everything_again(
    open_reader: ReaderFactory, tiny_model: Path, tmp_path: Path
) -> None:
    """Thresholds of one model must never judge the answers of another."""
    other = tmp_path / "other.onnx"
    contract = write_tiny_model(tmp_path / "unused.onnx")
    strict = contract.operating_points[0].model_copy(update={"threshold": 0.999})
    write_tiny_model(other, version="2.0", operating_points=(strict,), limit=0.9)
    with service_process(tiny_model, tmp_path, port=free_port()) as service:
        reader = open_reader(url=service.url)
        reader.open("point=screening")
        reader.add(upload("first.jpg", image_bytes(200)), upload("dark.jpg", image_bytes(0)))
        expect(reader.case("first.jpg")).to_contain_text("Above the screening threshold")
        expect(reader.case("dark.jpg")).to_contain_text("Not recognised as a chest X-ray")
        reader.wait_for_image()
    with service_process(other, tmp_path, port=service.port):
        reader.add(upload("second.jpg", image_bytes(200)))
        for name in ("first.jpg", "second.jpg", "dark.jpg"):
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
    reader.add(upload("case.jpg", image_bytes(200)))
    expect(reader.verdict).to_contain_text("different models")
    assert reader.uploads() == 2


def test_a_service_that_comes_back_is_used_again(
    open_reader: ReaderFactory, tiny_model: Path, tmp_path: Path
) -> None:
    with service_process(tiny_model, tmp_path, port=free_port()) as service:
        reader = open_reader(url=service.url)
        reader.open()
    reader.add(upload("case.jpg", image_bytes(200)))
    expect(reader.verdict).to_contain_text("The service cannot be reached")
    reader.complaints.clear()  # the browser's own line about the broken connection
    with service_process(tiny_model, tmp_path, port=service.port):
        reader.card.get_by_role("button", name="Retry").click()
        expect(reader.verdict).to_contain_text("Pneumonia")
        reader.wait_for_image()


def ask(url: str, image: Path) -> httpx.Response:
    return httpx.post(
        f"{url}/predict", files={"file": image.read_bytes()}, timeout=PATIENCE_SECONDS
    )


def first(folder: Path) -> Path:
    return min(path for path in folder.iterdir() if path.is_file())


def percent(probability: float) -> str:
    """As the page writes it, which rounds nothing to a certainty."""
    if probability > 0.999:
        return "> 99.9%"
    return "< 0.1%" if probability < 0.001 else f"{probability:.1%}"
