"""On paper: one page a case, with its images, and without the tools."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import Gate, Reader, upload
from tests.images import image_bytes


@pytest.fixture
def printing(reader: Reader) -> Reader:
    """Somebody whose browser remembers that it was asked to print instead of doing so."""
    reader.page.add_init_script(
        "window.print = () => { window.printed = (window.printed ?? 0) + 1; }"
    )
    reader.open()
    reader.add(
        upload("bright.jpg", image_bytes(200)),
        upload("tall.png", image_bytes(60, (300, 900), "PNG"), "image/png"),
        upload("notes.txt", b"hello"),
    )
    return reader


def test_one_page_a_case(printing: Reader) -> None:
    printing.page.get_by_role("button", name="Print").click()
    wait_until_asked(printing)
    sheets = printing.page.locator(".sheet")
    expect(sheets).to_have_count(3)
    for name, words in (
        ("bright.jpg", "Pneumonia"),
        ("tall.png", "Normal"),
        ("notes.txt", "Unsupported file type"),
    ):
        sheet = sheets.filter(has_text=name)
        expect(sheet).to_contain_text(words)
        expect(sheet).to_contain_text("Not a medical device.")
        expect(sheet).to_contain_text("tiny 1.0")
    drawn = printing.page.evaluate(
        "[...document.querySelectorAll('.sheet img')].every(image => image.naturalWidth > 0)"
    )
    assert drawn
    assert printing.page.locator(".sheet img").count() == 6
    assert pages(printing) == 3


def test_a_sheet_says_for_whom_the_figures_hold_and_has_room_for_the_reader(
    printing: Reader,
) -> None:
    printing.page.keyboard.press("u")
    printing.page.get_by_label("Comment").fill("lower left")
    printing.page.get_by_role("button", name="Print").click()
    wait_until_asked(printing)
    printing.page.emulate_media(media="print")
    written = printing.page.locator(".sheet").filter(has_text="bright.jpg")
    for words in ("Population: grey squares", "In other age groups", "Reader, date, signature"):
        expect(written).to_contain_text(words)
    expect(written.locator(".sheet-opinion")).to_contain_text("Comment: lower left")
    checked = written.locator(".box", has=printing.page.locator("[data-checked]"))
    expect(checked).to_have_count(1)
    expect(checked).to_contain_text("Uncertain")
    empty = printing.page.locator(".sheet").filter(has_text="tall.png")
    expect(empty.locator("[data-checked]")).to_have_count(0)
    assert pages(printing) == 3


def test_the_button_counts_the_pages_that_are_ready(printing: Reader) -> None:
    printing.wait_for_image()
    gate = Gate(printing, "**/explain*")
    button = printing.page.locator("#print")
    button.click()
    expect(button).to_have_text("2 of 3")  # the images of the first were at hand
    expect(button).to_be_disabled()
    gate.wait_for(2)
    gate.open_one()
    gate.open_one()
    wait_until_asked(printing)
    expect(button).to_have_text("Print")
    expect(button).to_be_enabled()


def test_only_what_is_shown_is_printed_and_tools_are_not(printing: Reader) -> None:
    printing.page.get_by_label("Filter by file name").fill("bright")
    expect(printing.cases).to_have_count(1)
    printing.page.locator("#main").focus()
    printing.page.keyboard.press("Control+p")
    wait_until_asked(printing)
    printing.page.emulate_media(media="print")
    expect(printing.page.get_by_role("button", name="CSV")).to_be_hidden()
    expect(printing.page.locator(".sheet")).to_be_visible()
    assert pages(printing) == 1


def test_after_printing_the_page_is_as_before(printing: Reader) -> None:
    printing.page.get_by_role("button", name="Print").click()
    wait_until_asked(printing)
    printing.page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(printing.page.locator(".sheet")).to_have_count(0)
    expect(printing.verdict).to_be_visible()


def test_the_browsers_own_menu_prints_the_case_in_view(printing: Reader) -> None:
    printing.wait_for_image()
    assert pages(printing) == 1
    printing.page.emulate_media(media="print")
    expect(printing.verdict).to_be_visible()
    expect(printing.page.locator("#rows")).to_be_hidden()


def wait_until_asked(reader: Reader) -> None:
    """Wait until the browser was asked to print, once."""
    reader.wait_until(lambda: reader.page.evaluate("window.printed") == 1, "asked to print")


def pages(reader: Reader) -> int:
    """How many sheets of A4 the browser would print."""
    document = reader.page.pdf(format="A4", print_background=True, prefer_css_page_size=True)
    return len(re.findall(rb"/Type\s*/Page\b", document))
