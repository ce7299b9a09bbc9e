"""What the page says about an image, and about what it cannot read."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser import PHONE, WALL, Reader, upload
from tests.e2e.conftest import ReaderFactory
from tests.images import image_bytes
from tests.process import ServiceProcess, service_process
from tests.tiny_model import GRID, write_tiny_model

BRIGHT = upload("bright.jpg", image_bytes(200))
DIM = upload("dim.jpg", image_bytes(100))


def test_a_newcomer_sees_an_answer_with_evidence_after_one_click(reader: Reader) -> None:
    reader.page.get_by_role("button", name="Try an example").click()
    expect(reader.verdict).to_contain_text("Normal")  # says the small model of the tests
    expect(reader.card).to_contain_text("Probability of pneumonia")
    evidence = reader.page.locator(".viewport .evidence").first
    expect(evidence).to_have_css("opacity", "0.4")
    reader.wait_for_image()
    assert evidence.evaluate("image => image.decode().then(() => image.naturalWidth)") > GRID


def test_the_card_says_what_the_service_answered(
    reader: Reader, tiny_service: ServiceProcess
) -> None:
    reader.add(BRIGHT)
    answer = tiny_service.post("/predict", files={"file": image_bytes(200)}).json()
    expect(reader.verdict).to_contain_text("Pneumonia")
    expect(reader.verdict).to_contain_text(f"More likely {answer['subtype']}")
    expect(reader.card.locator(".figure")).to_have_text(f"{answer['probability']:.1%}")
    for label, value in answer["probabilities"].items():
        row = reader.card.locator(".bars dt", has_text=label.capitalize())
        expect(row.locator("+ dd")).to_have_text(f"{value:.1%}")
    fill = reader.card.locator(".gauge-fill").get_attribute("style")
    assert fill is not None and f"width: {answer['probability'] * 100:.2f}%" in fill
    expect(reader.card).to_contain_text("Of 100 patients with pneumonia it finds 90.")
    expect(reader.card).to_contain_text("Of 100 without, it clears 80.")
    expect(reader.card).to_contain_text("80 to 95, and 70 to 90")
    reader.card.get_by_text("Details").click()
    expect(reader.card).to_contain_text(re.compile(r"JPEG, 320 . 256, 8 bit"))
    expect(reader.card).to_contain_text(answer["model"]["sha256"][:16])


def test_the_page_speaks_of_what_the_model_looks_for(
    open_reader: ReaderFactory, tmp_path: Path
) -> None:
    labels = ("no finding", "covid-19", "tb")
    model = tmp_path / "other.onnx"
    write_tiny_model(model, labels=labels, finding="COVID-19 or tuberculosis")
    with service_process(model, tmp_path) as service:
        reader = open_reader(url=service.url)
        reader.open()
        reader.add(BRIGHT, DIM)
        reader.case("bright.jpg").locator(".pick").click()
        expect(reader.verdict).to_contain_text("COVID-19 or tuberculosis")
        expect(reader.verdict).to_contain_text("More likely")
        for label in labels:
            expect(reader.card.locator(".bars")).to_contain_text(label)
        expect(reader.card).to_contain_text("patients with COVID-19 or tuberculosis it finds 90.")
        expect(reader.card).not_to_contain_text("neumonia")
        reader.case("dim.jpg").locator(".pick").click()
        expect(reader.verdict).to_contain_text("No COVID-19 or tuberculosis")
        reader.page.keyboard.press("m")
        expect(reader.page.get_by_role("dialog")).not_to_contain_text("pneumonia")


def test_patients_are_children_where_the_model_knows_only_children(
    open_reader: ReaderFactory, tmp_path: Path
) -> None:
    write_tiny_model(tmp_path / "children.onnx", population_age_years=(1, 5))
    with service_process(tmp_path / "children.onnx", tmp_path) as service:
        reader = open_reader(url=service.url)
        reader.open()
        reader.add(BRIGHT)
        expect(reader.card).to_contain_text("Of 100 children with pneumonia it finds 90.")


def test_a_model_that_states_no_population_gets_no_sentence_about_it(
    open_reader: ReaderFactory, tmp_path: Path
) -> None:
    write_tiny_model(tmp_path / "blank.onnx", population=" ", training_data="")
    with service_process(tmp_path / "blank.onnx", tmp_path) as service:
        reader = open_reader(url=service.url)
        reader.open()
        expect(reader.page.get_by_text("Nothing is stored.")).to_be_visible()
        expect(reader.page.get_by_text("The model was developed for")).to_be_hidden()
        reader.page.keyboard.press("m")
        dialog = reader.page.get_by_role("dialog")
        expect(dialog).to_contain_text("Input size")
        expect(dialog).not_to_contain_text("Population")
        expect(dialog).not_to_contain_text("Training data")


def test_kinds_that_are_hard_to_tell_apart_are_not_called(reader: Reader) -> None:
    reader.add(upload("between.jpg", image_bytes(160)))
    expect(reader.verdict).to_contain_text("can hardly tell bacterial from viral")


def test_another_operating_point_reads_all_answers_again_without_uploading(
    reader: Reader,
) -> None:
    reader.add(DIM, BRIGHT)
    reader.case("dim.jpg").locator(".pick").click()
    expect(reader.verdict).to_contain_text("Normal")
    expect(reader.case("bright.jpg")).to_contain_text("Pneumonia")
    reader.wait_for_image()
    before = [request for request in reader.requests if request.method == "POST"]
    reader.page.get_by_label("Screening").check()
    expect(reader.verdict).to_contain_text("Above the screening threshold")
    expect(reader.case("dim.jpg")).to_contain_text("Above the screening threshold")
    expect(reader.card).to_contain_text("threshold 20.0%")
    reader.page.get_by_label("careful").check()
    expect(reader.verdict).to_contain_text("Uncertain")
    expect(reader.case("dim.jpg")).to_contain_text("Uncertain")
    expect(reader.card.locator(".gauge-band")).to_be_visible()
    expect(reader.card).to_contain_text("uncertain 25.0% to 75.0%")
    expect(reader.case("bright.jpg")).to_contain_text("Pneumonia")
    assert [request for request in reader.requests if request.method == "POST"] == before


@pytest.mark.parametrize("point", ["balanced", "screening", "careful"])
def test_the_page_decides_as_the_service_does(
    reader: Reader, tiny_service: ServiceProcess, point: str
) -> None:
    greys = (70, 90, 110, 120, 130, 150, 170)
    reader.open(f"point={point}")
    reader.add(*[upload(f"grey-{grey}.jpg", image_bytes(grey)) for grey in greys])
    for grey in greys:
        answer = tiny_service.post(
            f"/predict?operating_point={point}", files={"file": image_bytes(grey)}
        ).json()
        row = reader.case(f"grey-{grey}.jpg")
        words = answer["decision"].capitalize()
        if (point, words) == ("screening", "Pneumonia"):
            words = "Above the screening threshold"
        expect(row.locator(".col-decision")).to_have_text(words)
        expect(row.locator(".col-subtype")).to_have_text((answer["subtype"] or "").capitalize())


def test_warnings_are_told_in_plain_words(reader: Reader) -> None:
    reader.add(upload("small.jpg", image_bytes(160, (48, 48))))
    expect(reader.card).to_contain_text("input and was enlarged")
    assert "upscaled" not in reader.card.inner_text()


def test_an_unknown_warning_is_told_in_the_words_of_the_service(reader: Reader) -> None:
    def change(route: Route) -> None:
        answer = route.fetch()
        body = answer.json() | {"warnings": [{"code": "brand_new", "detail": "Look twice."}]}
        route.fulfill(response=answer, json=body)

    reader.page.route("**/predict", change)
    reader.add(BRIGHT)
    expect(reader.card.locator(".warnings")).to_contain_text("Look twice.")


@pytest.mark.parametrize(
    ("content", "title", "todo"),
    [
        (b"hello", "Unsupported file type", "Save it as DICOM, JPEG or PNG"),
        (b"", "The file is damaged", "Get the complete, original file"),
        (image_bytes(160)[:400], "The file is damaged", "Get the complete, original file"),
        (image_bytes(0), "Not recognised as a chest X-ray", "Add one frontal chest X-ray"),
    ],
    ids=["text", "empty", "truncated", "refused"],
)
def test_a_refusal_says_what_to_do_next(
    reader: Reader, content: bytes, title: str, todo: str
) -> None:
    reader.add(upload("file.jpg", content))
    expect(reader.verdict).to_contain_text(title)
    expect(reader.verdict).to_contain_text(todo)
    expect(reader.card).to_contain_text("The service says")
    expect(reader.page.get_by_role("button", name="Retry")).to_have_count(0)
    expect(reader.page.locator(".viewport .evidence").first).to_be_hidden()


@pytest.mark.parametrize(
    ("suspected_cause", "todo"),
    [
        ("inverted", "with bones white"),
        ("upside_down", "upside down"),
        ("sideways", "on its side"),
    ],
)
def test_a_refusal_names_what_was_done_to_an_x_ray(
    reader: Reader, suspected_cause: str, todo: str
) -> None:
    def change(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"suspected_cause": suspected_cause})

    reader.page.route("**/predict", change)
    reader.add(upload("dark.jpg", image_bytes(0)))
    expect(reader.verdict).to_contain_text(todo)


def test_a_refusal_shows_how_far_off_the_image_is(
    reader: Reader, tiny_service: ServiceProcess
) -> None:
    reader.add(upload("dark.jpg", image_bytes(0)))
    problem = tiny_service.post("/predict", files={"file": image_bytes(0)}).json()
    words = f"{problem['distance']:.2f}, limit {problem['limit']:.2f}"
    expect(reader.card).to_contain_text(words)


def test_an_answer_of_something_in_between_is_told_too(reader: Reader) -> None:
    reader.page.route(
        "**/predict", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>")
    )
    reader.add(BRIGHT)
    expect(reader.verdict).to_contain_text("Unexpected response")


def test_a_dead_service_is_told_and_retried(reader: Reader) -> None:
    reader.page.route("**/predict", lambda route: route.abort())
    reader.add(BRIGHT)
    expect(reader.verdict).to_contain_text("The service cannot be reached")
    expect(reader.verdict).to_contain_text("Check that it is running")
    reader.complaints.clear()  # the browser's own line about the broken connection
    reader.page.unroute("**/predict")
    reader.card.get_by_role("button", name="Retry").click()
    expect(reader.verdict).to_contain_text("Pneumonia")


def test_model_card_and_limits_are_one_click_away(
    reader: Reader, tiny_service: ServiceProcess
) -> None:
    contract = tiny_service.get("/model").json()["contract"]
    button = reader.page.get_by_role("button", name="Model and limits")
    button.click()
    dialog = reader.page.get_by_role("dialog", name="The model and its limits")
    expect(dialog).to_contain_text("not a medical device")
    expect(dialog).to_contain_text("never an image or name of a patient")
    for words in (contract["population"], contract["training_data"], "tiny 1.0"):
        expect(dialog).to_contain_text(words)
    for point in contract["operating_points"]:
        expect(dialog).to_contain_text(point["rule"])
        expect(dialog).to_contain_text(f"{point['threshold']:.1%}")
    reader.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


@pytest.mark.parametrize("size", [PHONE, WALL])
def test_not_a_medical_device_is_always_in_view(
    open_reader: ReaderFactory, size: tuple[int, int]
) -> None:
    reader = open_reader(size)
    reader.open()
    words = reader.page.get_by_text("Not a medical device.").first
    expect(words).to_be_in_viewport(ratio=1)
    reader.add(BRIGHT)
    for place in (0, 10_000):
        reader.page.evaluate("place => scrollTo(0, place)", place)
        expect(words).to_be_in_viewport(ratio=1)
    reader.page.keyboard.press("l")
    expect(words).to_be_in_viewport(ratio=1)
