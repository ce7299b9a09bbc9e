"""Looking at the X-ray: evidence, zoom, place, window, inversion, side by side."""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, FloatRect, Locator, expect
from pydicom.data import get_testdata_file

from tests.browser import Reader, upload
from tests.e2e.conftest import ReaderFactory
from tests.images import encode, image_bytes
from tests.process import ServiceProcess, service_process
from tests.tiny_model import write_tiny_model

BRIGHT = upload("bright.jpg", image_bytes(200))
DIM = upload("dim.jpg", image_bytes(60))


@pytest.fixture
def looking(reader: Reader) -> Reader:
    reader.add(BRIGHT)
    reader.wait_for_image()
    return reader


def test_the_image_is_the_one_that_the_service_read(looking: Reader) -> None:
    looking.page.keyboard.press("e")
    assert middle(stage(looking)) == pytest.approx(200, abs=2)


def test_evidence_is_faded_and_hidden(looking: Reader) -> None:
    evidence = looking.page.locator(".viewport .evidence").first
    slider = looking.page.get_by_label("Opacity of the evidence")
    expect(evidence).to_have_css("opacity", "0.4")
    slider.fill("80")
    expect(evidence).to_have_css("opacity", "0.8")
    slider.focus()
    looking.page.keyboard.press("[")
    expect(evidence).to_have_css("opacity", "0.7")
    button = looking.page.get_by_role("button", name="Show evidence")
    button.click()
    expect(evidence).to_have_css("opacity", "0")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(looking.page.get_by_text("not the outline of a lesion")).to_be_hidden()
    looking.page.keyboard.press("e")
    expect(evidence).to_have_css("opacity", "0.7")
    expect(looking.page.get_by_text("not the outline of a lesion")).to_be_visible()


def test_evidence_colours_the_image(looking: Reader) -> None:
    assert colourfulness(stage(looking)) > 30
    looking.page.keyboard.press("e")
    assert colourfulness(stage(looking)) < 2


def test_a_normal_image_starts_without_colours(reader: Reader) -> None:
    reader.add(DIM)
    reader.wait_for_image()
    evidence = reader.page.locator(".viewport .evidence").first
    expect(evidence).to_have_css("opacity", "0")
    reader.page.keyboard.press("e")
    expect(evidence).to_have_css("opacity", "0.4")


def test_zoom_by_wheel_keys_and_buttons(looking: Reader) -> None:
    zoom = looking.page.locator(".zoom-text")
    whole = percent(looking)
    expect(zoom).to_have_text(f"{whole:.0f}%")
    frame = box(stage(looking))
    looking.page.mouse.move(frame["x"] + 200, frame["y"] + 300)
    looking.page.mouse.wheel(0, -500)
    expect(zoom).not_to_have_text(f"{whole:.0f}%")
    looking.page.keyboard.press("0")
    expect(zoom).to_have_text(f"{whole:.0f}%")
    looking.page.keyboard.press("+")
    expect(zoom).to_have_text(f"{1.25 * whole:.0f}%")
    looking.page.get_by_role("button", name="Zoom in").click()
    expect(zoom).to_have_text(f"{1.25**2 * whole:.0f}%")
    looking.page.get_by_role("button", name="Zoom out").click()
    expect(zoom).to_have_text(f"{1.25 * whole:.0f}%")
    stage(looking).dblclick()
    expect(zoom).to_have_text(f"{whole:.0f}%")


@pytest.mark.parametrize("size", [(320, 256), (1800, 1200), (2400, 3000)])
def test_a_pixel_of_the_x_ray_is_one_of_the_screen(reader: Reader, size: tuple[int, int]) -> None:
    """Also of one that is larger than the image that the service draws."""
    reader.add(upload("film.jpg", image_bytes(200, size)))
    reader.wait_for_image()
    shown = box(reader.page.locator(".film").first)
    zoom = reader.page.locator(".zoom-text")
    expect(zoom).to_have_text(f"{100 * shown['width'] / size[0]:.0f}%")
    reader.page.get_by_role("button", name="1:1").click()
    expect(zoom).to_have_text("100%")
    film = box(reader.page.locator(".film").first)
    assert (film["width"], film["height"]) == pytest.approx(size, abs=1)
    reader.page.keyboard.press("0")
    assert box(reader.page.locator(".film").first) == pytest.approx(shown, abs=1)


def lines(size: tuple[int, int]) -> Image.Image:
    """Grey with columns in turn brighter and darker, which a reduced copy mixes to one grey."""
    columns = np.where(np.arange(size[0]) % 2, 170, 230).astype(np.uint8)
    return Image.fromarray(np.repeat(columns[np.newaxis], size[1], axis=0))


@pytest.mark.parametrize(
    ("name", "kind", "whole"),
    [("film.png", "image/png", True), ("film.tif", "image/tiff", False)],
)
def test_one_to_one_shows_the_pixels_themselves_or_says_that_it_shows_a_copy(
    reader: Reader, name: str, kind: str, whole: bool
) -> None:
    data = encode(lines((2400, 3000)), "PNG" if whole else "TIFF")
    reader.add(upload(name, data, kind))
    reader.wait_for_image()
    reader.page.keyboard.press("e")
    reader.page.keyboard.press("1")
    expect(reader.page.locator(".zoom-text")).to_have_text("100%")
    seen = shot(stage(reader)).mean(-1)
    row = seen[seen.shape[0] // 2, seen.shape[1] // 2 :][:40]
    assert bool(np.ptp(row) > 50) is whole
    note = reader.page.get_by_text(re.compile(r"Reduced copy, 1229\W+1536 of 2400\W+3000 pixels"))
    expect(note).to_be_visible(visible=not whole)


def test_a_file_that_the_browser_shows_otherwise_is_not_taken_for_the_x_ray(
    reader: Reader,
) -> None:
    """Here 16 bits of which 12 are used, which a browser shows nearly black."""
    samples = np.asarray(lines((2400, 1800))).astype(np.uint16) * 16
    reader.add(upload("film.png", encode(Image.fromarray(samples), "PNG"), "image/png"))
    reader.wait_for_image()
    reader.page.keyboard.press("e")
    assert middle(stage(reader)) > 150
    expect(reader.page.get_by_text("Reduced copy")).to_be_visible()


def test_percentages_count_the_pixels_of_a_fine_screen(
    browser: Browser, tiny_service: ServiceProcess
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900}, device_scale_factor=2)
    fine = Reader(page, tiny_service.url)
    fine.open()
    fine.add(BRIGHT)
    fine.wait_for_image()
    fine.page.keyboard.press("1")
    assert box(page.locator(".film").first)["width"] == pytest.approx(320 / 2, abs=1)
    page.close()


def test_the_wheel_zooms_at_the_pointer(looking: Reader) -> None:
    """What lies under the pointer stays there."""
    frame = box(stage(looking))
    x, y = frame["x"] + frame["width"] * 0.3, frame["y"] + frame["height"] * 0.6
    before = place(looking, x, y)
    looking.page.mouse.move(x, y)
    whole = percent(looking)
    looking.page.mouse.wheel(0, -700)
    expect(looking.page.locator(".zoom-text")).not_to_have_text(f"{whole:.0f}%")
    assert place(looking, x, y) == pytest.approx(before, abs=0.01)


def test_the_image_is_moved_by_dragging_and_by_arrows(looking: Reader) -> None:
    film = looking.page.locator(".film").first
    for _ in range(3):
        looking.page.keyboard.press("+")
    start = box(film)
    drag(looking, 60, -40)
    moved = box(film)
    assert (moved["x"] - start["x"], moved["y"] - start["y"]) == pytest.approx((60, -40), abs=1)
    stage(looking).focus()
    looking.page.keyboard.press("ArrowRight")
    assert box(film)["x"] == pytest.approx(moved["x"] - 40, abs=1)


def test_the_image_cannot_be_lost(looking: Reader) -> None:
    looking.page.keyboard.press("+")
    for _ in range(4):
        drag(looking, 5000, 5000)
    film, frame = box(looking.page.locator(".film").first), box(stage(looking))
    assert film["x"] < frame["x"] + frame["width"] / 2 + 1
    assert film["y"] < frame["y"] + frame["height"] / 2 + 1


def test_inversion(looking: Reader) -> None:
    looking.page.keyboard.press("e")
    looking.page.get_by_role("button", name="Invert").click()
    assert middle(stage(looking)) == pytest.approx(55, abs=2)
    looking.page.keyboard.press("i")
    assert middle(stage(looking)) == pytest.approx(200, abs=2)


def test_window_and_level(looking: Reader) -> None:
    """A window of width 100 around 200 shows 200 as middle grey and 175 as a quarter of white."""
    looking.page.keyboard.press("e")
    looking.page.get_by_role("button", name="Drag to set window and level").click()
    looking.page.get_by_label("Level", exact=True).fill("200")
    looking.page.get_by_label("Window", exact=True).fill("100")
    assert middle(stage(looking)) == pytest.approx(128, abs=3)
    looking.page.get_by_label("Level", exact=True).fill("225")
    assert middle(stage(looking)) == pytest.approx(64, abs=3)
    drag(looking, 0, -25)
    expect(looking.page.get_by_label("Level", exact=True)).to_have_value("200")
    drag(looking, 50, 0)
    expect(looking.page.get_by_label("Window", exact=True)).to_have_value("150")
    looking.page.get_by_role("button", name="Reset the view").click()
    assert middle(stage(looking)) == pytest.approx(200, abs=2)


def test_window_and_level_are_set_by_numbers(looking: Reader) -> None:
    looking.page.keyboard.press("e")
    looking.page.keyboard.press("w")
    level = looking.page.get_by_label("Level as a number")
    level.fill("200")
    level.press("Enter")
    width = looking.page.get_by_label("Window as a number")
    width.fill("100")
    width.press("Tab")
    assert middle(stage(looking)) == pytest.approx(128, abs=3)
    expect(looking.page.get_by_label("Level", exact=True)).to_have_value("200")
    width.fill("9999")  # out of range: ignored
    width.press("Tab")
    assert middle(stage(looking)) == pytest.approx(128, abs=3)
    drag(looking, 0, -25)
    expect(level).to_have_value("175")
    expect(width).to_have_value("100")


def test_the_image_is_turned_and_mirrored_for_looking_only(reader: Reader) -> None:
    """An image whose upper left is bright; the corner is followed with the eyes."""
    marked = np.full((256, 320), 60, np.uint8)
    marked[:128, :160] = 230
    reader.add(upload("marked.png", encode(Image.fromarray(marked), "PNG"), "image/png"))
    reader.wait_for_image()
    note = reader.page.get_by_text("Turned for viewing only")
    posts = [request for request in reader.requests if request.method == "POST"]
    evidence = reader.page.get_by_role("button", name="Show evidence")
    if evidence.get_attribute("aria-pressed") == "true":
        evidence.click()
    assert bright_corner(reader) == "upper left"
    expect(note).to_be_hidden()
    reader.page.get_by_role("button", name="Turn by 90").click()
    assert bright_corner(reader) == "upper right"
    film, frame = box(reader.page.locator(".film").first), box(stage(reader))
    assert film["height"] == pytest.approx(min(frame["height"], frame["width"] * 320 / 256), abs=1)
    expect(note).to_be_visible()
    reader.page.get_by_role("button", name="Mirror").click()
    assert bright_corner(reader) == "upper left"
    reader.page.keyboard.press("t")  # clockwise as seen, also when mirrored
    assert bright_corner(reader) == "upper right"
    reader.page.keyboard.press("h")
    assert bright_corner(reader) == "upper left"
    reader.page.keyboard.press("r")
    assert bright_corner(reader) == "upper left"
    expect(note).to_be_hidden()
    assert [request for request in reader.requests if request.method == "POST"] == posts


def test_the_viewer_fills_the_screen_and_gives_it_back(looking: Reader) -> None:
    button = looking.page.get_by_role("button", name="Full screen")
    before = box(stage(looking))
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert box(stage(looking))["width"] > before["width"] + 200
    looking.page.keyboard.press("f")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert box(stage(looking)) == pytest.approx(before, abs=1)


def test_the_right_button_always_sets_window_and_level(looking: Reader) -> None:
    looking.page.keyboard.press("e")
    drag(looking, 0, 72, button="right")
    assert middle(stage(looking)) == pytest.approx(128, abs=3)


def test_side_by_side_with_the_original_moves_together(looking: Reader) -> None:
    looking.page.get_by_role("button", name="Side by side").click()
    expect(looking.page.get_by_text("Original", exact=True)).to_be_visible()
    expect(looking.page.get_by_text("With evidence", exact=True)).to_be_visible()
    left, right = looking.page.locator(".viewport").all()
    assert colourfulness(left) < 2
    assert colourfulness(right) > 30
    looking.page.keyboard.press("+")
    films = [box(film) for film in looking.page.locator(".film").all()]
    # each film is laid out on its own, to a fraction of a pixel
    assert films[0]["width"] == pytest.approx(films[1]["width"], abs=0.5)
    looking.page.keyboard.press("s")
    expect(right).to_be_hidden()


@pytest.mark.parametrize(("size", "arrangement"), [((900, 300), "above"), ((300, 900), "beside")])
def test_two_images_lie_so_that_they_are_large(
    reader: Reader, size: tuple[int, int], arrangement: str
) -> None:
    reader.add(upload("film.jpg", image_bytes(200, size)))
    reader.wait_for_image()
    reader.page.keyboard.press("s")
    expect(reader.page.locator(".viewports")).to_have_attribute("data-split", arrangement)
    first, second = (box(film) for film in reader.page.locator(".film").all())
    if arrangement == "above":
        assert second["y"] >= first["y"] + first["height"]
    else:
        assert second["x"] >= first["x"] + first["width"]


def test_two_fingers_zoom(reader: Reader) -> None:
    reader.add(BRIGHT)
    reader.wait_for_image()
    frame = box(stage(reader))
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    whole = percent(reader)
    session = reader.page.context.new_cdp_session(reader.page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    for kind, gap in (("touchStart", 50), ("touchMove", 75), ("touchMove", 100)):
        points = [{"x": x - gap, "y": y, "id": 0}, {"x": x + gap, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    reader.wait_until(lambda: 1.9 < percent(reader) / whole < 2.1, "it is twice as large")


def test_another_case_starts_with_its_own_view(reader: Reader) -> None:
    reader.add(BRIGHT, DIM)
    reader.wait_for_image()
    whole = percent(reader)
    for key in "+ith":
        reader.page.keyboard.press(key)
    expect(reader.page.get_by_text("Turned for viewing only")).to_be_visible()
    reader.page.keyboard.press("j")
    expect(reader.card.locator("h2")).to_have_text("dim.jpg")
    reader.wait_for_image()
    expect(reader.page.locator(".zoom-text")).to_have_text(f"{whole:.0f}%")
    expect(reader.page.get_by_text("Turned for viewing only")).to_be_hidden()
    assert middle(stage(reader)) == pytest.approx(60, abs=2)


def test_an_image_that_browsers_cannot_show_is_shown(reader: Reader) -> None:
    reader.add(upload("scan.tif", image_bytes(200, kind="TIFF"), "image/tiff"))
    reader.wait_for_image()
    reader.page.keyboard.press("e")
    assert middle(stage(reader)) == pytest.approx(200, abs=2)


def test_a_dicom_file_is_shown_with_its_evidence(reader: Reader) -> None:
    chest = get_testdata_file("RG1_UNCR.dcm", download=False)
    assert isinstance(chest, str)
    reader.add(Path(chest))
    reader.wait_for_image()
    expect(reader.verdict).to_contain_text("Pneumonia")
    reader.card.get_by_text("Details").click()
    expect(reader.card).to_contain_text(re.compile("DICOM, 1841 . 1955"))
    film = box(reader.page.locator(".film").first)
    assert film["width"] / film["height"] == pytest.approx(1841 / 1955, abs=0.01)
    assert colourfulness(stage(reader)) > 30


def test_a_turned_image_and_its_evidence_lie_upon_each_other(reader: Reader) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    dark_and_bright = np.full((256, 320), 60, np.uint8)
    dark_and_bright[:, :160] = 230
    photo = encode(Image.fromarray(dark_and_bright), "JPEG", exif=exif.tobytes())
    reader.add(upload("turned.jpg", photo))
    reader.wait_for_image()
    film = box(reader.page.locator(".film").first)
    assert film["width"] / film["height"] == pytest.approx(256 / 320, abs=0.01)
    pixels = shot(reader.page.locator(".film").first)
    height = pixels.shape[0]
    upper, lower = pixels[: height // 3], pixels[-height // 3 :]
    assert np.ptp(upper.mean((0, 1))) > np.ptp(lower.mean((0, 1))) + 20, "colour where it is bright"


def test_a_model_without_evidence_still_shows_the_image(
    open_reader: ReaderFactory, tmp_path: Path
) -> None:
    write_tiny_model(tmp_path / "plain.onnx", evidence=False)
    with service_process(tmp_path / "plain.onnx", tmp_path) as service:
        reader = open_reader(url=service.url)
        reader.open()
        reader.add(BRIGHT)
        expect(reader.page.get_by_text("This model has no evidence map.")).to_be_visible()
        expect(reader.page.get_by_role("button", name="Show evidence")).to_be_disabled()
        assert middle(stage(reader)) == pytest.approx(200, abs=2)
        assert reader.uploads("/explain") == 0


def stage(reader: Reader) -> Locator:
    """The frame that the image lies in."""
    return reader.page.locator(".viewport").first


def box(locator: Locator) -> FloatRect:
    """Where an element is on the screen."""
    found = locator.bounding_box()
    assert found is not None
    return found


def percent(reader: Reader) -> float:
    """Pixels of the screen for 100 of an image that is 320 pixels wide."""
    return 100 * box(reader.page.locator(".film").first)["width"] / 320


def bright_corner(reader: Reader) -> str:
    """In which quarter of the image, as it is shown, the grey is brightest."""
    pixels = shot(reader.page.locator(".film").first).mean(axis=2)
    quarters = {
        f"{row} {side}": float(part.mean())
        for row, half in zip(("upper", "lower"), np.array_split(pixels, 2), strict=True)
        for side, part in zip(("left", "right"), np.array_split(half, 2, axis=1), strict=True)
    }
    return max(quarters, key=lambda name: quarters[name])


def place(reader: Reader, x: float, y: float) -> tuple[float, float]:
    """Which part of the image, 0..1 across and down, lies at a point of the screen."""
    film = box(reader.page.locator(".film").first)
    return (x - film["x"]) / film["width"], (y - film["y"]) / film["height"]


def drag(reader: Reader, dx: float, dy: float, button: str = "left") -> None:
    frame = box(stage(reader))
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    reader.page.mouse.move(x, y)
    reader.page.mouse.down(button=button)  # type: ignore[arg-type]
    reader.page.mouse.move(x + dx, y + dy, steps=4)
    reader.page.mouse.up(button=button)  # type: ignore[arg-type]


def shot(locator: Locator) -> NDArray[np.float64]:
    """What an element looks like, float64 ``[height, width, 3]``, 0..255."""
    image = Image.open(BytesIO(locator.screenshot())).convert("RGB")
    return np.asarray(image, np.float64)


def middle(locator: Locator) -> float:
    """The mean grey of the middle of an element."""
    pixels = shot(locator)
    height, width, _ = pixels.shape
    return float(
        pixels[height // 2 - 10 : height // 2 + 10, width // 2 - 10 : width // 2 + 10].mean()
    )


def colourfulness(locator: Locator) -> float:
    """How far the colours of the middle of an element are from grey, 0..255."""
    pixels = shot(locator)
    height, width, _ = pixels.shape
    part = pixels[height // 2 - 10 : height // 2 + 10, width // 2 - 10 : width // 2 + 10]
    return float(np.ptp(part.mean((0, 1))))
