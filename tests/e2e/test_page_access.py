"""For everybody: axe-core, the keyboard from end to end, what is read out, what has the focus."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import DESK, PHONE, WALL, Reader, upload
from tests.e2e.axe import violations
from tests.e2e.conftest import ReaderFactory
from tests.images import image_bytes

BRIGHT = upload("bright.jpg", image_bytes(200))
UNCERTAIN = upload("uncertain.jpg", image_bytes(110))
DIM = upload("dim.jpg", image_bytes(60))
TEXT = upload("notes.txt", b"hello")


@pytest.mark.parametrize(
    ("size", "theme"),
    [(PHONE, "light"), (DESK, "dark"), (DESK, "light"), (WALL, "dark")],
    ids=["phone-light", "desk-dark", "desk-light", "wall-dark"],
)
def test_axe_finds_nothing(open_reader: ReaderFactory, size: tuple[int, int], theme: str) -> None:
    reader = open_reader(size)
    reader.open(f"theme={theme}&point=careful")
    found = {"welcome": violations(reader)}
    busy = {"code": "overloaded", "status": 429, "detail": "Later.", "retry_after": 600}
    reader.page.route("**/predict", lambda route: route.fulfill(status=429, json=busy))
    reader.add(BRIGHT, wait=False)
    expect(reader.verdict).to_contain_text("retries automatically")
    found["busy"] = violations(reader)
    reader.card.get_by_role("button", name="Cancel").click()
    expect(reader.verdict).to_contain_text("Cancelled")
    found["cancelled"] = violations(reader)
    reader.card.get_by_role("button", name="Remove").click()
    reader.page.unroute("**/predict")
    expect(reader.cases).to_have_count(0)
    reader.add(DIM, BRIGHT, UNCERTAIN, TEXT)
    for name in ("dim.jpg", "bright.jpg", "uncertain.jpg", "notes.txt"):
        expect(reader.card.locator("h2")).to_have_text(name)
        found[name] = violations(reader)
        reader.page.keyboard.press("j")
    reader.page.keyboard.press("s")
    reader.page.keyboard.press("w")
    found["tools"] = violations(reader)
    reader.page.keyboard.press("l")
    found["table"] = violations(reader)
    for key in ("m", "?"):
        reader.page.keyboard.press(key)
        expect(reader.page.locator("dialog[open]")).to_be_visible()
        found[key] = violations(reader)
        reader.page.keyboard.press("Escape")
    assert {state: names for state, names in found.items() if names} == {}


def test_the_keyboard_alone_gets_from_the_first_look_to_the_last(reader: Reader) -> None:
    press = reader.page.keyboard.press
    # somebody listens all the time, or the browser would open a window of its own in between
    reader.page.on("filechooser", lambda _: None)
    press("Tab")
    expect(reader.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press("Enter")
    press("Tab")
    expect(reader.page.get_by_role("button", name="Choose files")).to_be_focused()
    with reader.page.expect_file_chooser() as chooser:
        press("Enter")
    chooser.value.set_files([BRIGHT, DIM])
    expect(reader.verdict).to_contain_text("Pneumonia")
    reader.wait_until_read()
    press("p")
    expect(reader.page.get_by_label("Screening")).to_be_checked()
    press("/")
    expect(reader.page.get_by_label("Filter by file name")).to_be_focused()
    reader.page.keyboard.type("dim")
    expect(reader.cases).to_have_count(1)
    reader.page.keyboard.type("x")
    expect(reader.cases).to_have_count(0)
    press("Control+a")
    press("Backspace")
    for _ in range(12):
        press("Tab")
        if reader.case("dim.jpg").locator(".pick").evaluate("e => e === document.activeElement"):
            break
    press("Enter")
    expect(reader.card.locator("h2")).to_have_text("dim.jpg")
    press("m")
    expect(reader.page.get_by_role("dialog")).to_be_visible()
    press("Escape")
    with reader.page.expect_file_chooser():
        press("o")


def test_whatever_has_the_focus_shows_it(reader: Reader) -> None:
    reader.add(BRIGHT)
    reader.wait_for_image()
    seen = set()
    for _ in range(60):
        reader.page.keyboard.press("Tab")
        name, ring = reader.page.evaluate(
            """() => {
                const element = document.activeElement;
                const shown = element.matches(".points input") ? element.nextElementSibling
                    : element.matches(".pick") ? element.closest("tr") : element;
                const style = getComputedStyle(shown);
                return [element.outerHTML.slice(0, 120),
                        element === document.body || style.outlineStyle !== "none"
                        && parseFloat(style.outlineWidth) >= 2];
            }"""
        )
        assert ring, name
        seen.add(name)
    assert len(seen) > 20


def test_answers_are_read_out(reader: Reader) -> None:
    voice = reader.page.locator("#announcer")
    reader.add(BRIGHT)
    expect(voice).to_have_text(re.compile(r"bright.jpg: Pneumonia, probability 9\d\.\d%"))
    reader.add(TEXT)
    expect(voice).to_contain_text("notes.txt: Unsupported file type. Save it as")
    reader.page.get_by_label("Screening").check()
    expect(voice).to_contain_text("Operating point Screening")
    reader.add(DIM, BRIGHT)
    reader.case("dim.jpg").locator(".pick").click()
    assert voice.get_attribute("aria-live") == "polite"


def test_what_is_read_out_counts_only_what_was_read(reader: Reader) -> None:
    voice = reader.page.locator("#announcer")
    reader.add(BRIGHT, DIM, TEXT, upload("empty.jpg", b""))
    expect(voice).to_contain_text("2 of 4 read, 2 not read")


def test_another_language_leaves_nothing_said_in_the_old_one(reader: Reader) -> None:
    voice = reader.page.locator("#announcer")
    reader.add(BRIGHT, DIM)
    expect(voice).to_contain_text("2 of 2 read")
    reader.page.locator("#language").select_option("fr")
    expect(voice).to_have_text("Langue : Français")


def test_the_gauge_says_in_words_what_it_shows(reader: Reader) -> None:
    reader.page.get_by_label("careful").check()
    reader.add(UNCERTAIN)
    gauge = reader.card.locator(".gauge [role=img]")
    words = r"Probability of pneumonia 44\.4%; the threshold is 50\.0%; uncertain from 25\.0% to"
    expect(gauge).to_have_attribute("aria-label", re.compile(words))


def test_single_keys_can_be_turned_off(reader: Reader) -> None:
    reader.page.get_by_role("button", name="Keyboard shortcuts").click()
    reader.page.get_by_label("Use single-letter shortcuts").uncheck()
    reader.page.keyboard.press("Escape")
    reader.page.keyboard.press("m")
    expect(reader.page.get_by_role("dialog")).to_be_hidden()


def test_letters_typed_into_a_field_do_nothing_else(reader: Reader) -> None:
    reader.add(BRIGHT, DIM)
    reader.page.get_by_label("Filter by file name").press_sequentially("mls?")
    expect(reader.page.get_by_role("dialog")).to_be_hidden()
    expect(reader.page.locator("body")).to_have_attribute("data-view", "read")


def test_keys_that_mean_something_to_the_browser_are_left_alone(reader: Reader) -> None:
    reader.add(BRIGHT)
    reader.page.keyboard.press("Control+i")
    expect(reader.page.get_by_role("button", name="Invert")).to_have_attribute(
        "aria-pressed", "false"
    )


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_sticks_out_at_the_side(open_reader: ReaderFactory, width: int) -> None:
    reader = open_reader((width, 800))
    reader.open("lang=fr")
    assert reader.page.evaluate("document.documentElement.scrollWidth") == width
    reader.add(BRIGHT, upload("a-very-long-name-" * 12 + ".jpg", image_bytes(60)))
    reader.page.keyboard.press("j")
    assert reader.page.evaluate("document.documentElement.scrollWidth") == width
