"""What is removed can be put back, and leaving with unread or unsaved cases asks."""

import pytest
from playwright.sync_api import Dialog, expect

from tests.browser import Gate, Reader, upload
from tests.images import image_bytes

FILES = [upload(f"case-{number}.jpg", image_bytes(200)) for number in range(3)]
NAMES = ["case-0.jpg", "case-1.jpg", "case-2.jpg"]


def test_cleared_cases_come_back_in_their_places(reader: Reader) -> None:
    reader.add(*FILES)
    reader.page.get_by_role("button", name="Clear").click()
    expect(reader.cases).to_have_count(0)
    undo = reader.page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    expect(reader.page.locator("#announcer")).to_have_text("3 cases removed")
    uploads = reader.uploads()
    undo.click()
    expect(reader.names).to_have_text(NAMES)
    expect(reader.verdict).to_contain_text("Pneumonia")
    expect(undo).to_be_hidden()
    reader.wait_for_image()
    assert reader.uploads() == uploads, "their answers came back with them"


def test_one_removed_case_comes_back_to_its_place(reader: Reader) -> None:
    reader.add(*FILES)
    reader.page.get_by_role("button", name="Remove case-1.jpg").click()
    expect(reader.names).to_have_text(["case-0.jpg", "case-2.jpg"])
    expect(reader.page.get_by_text("1 case removed").first).to_be_visible()
    reader.page.keyboard.press("z")
    expect(reader.names).to_have_text(NAMES)
    expect(reader.card.locator("h2")).to_have_text("case-1.jpg")


def test_cases_that_were_cleared_while_they_were_read_are_read_after_all(reader: Reader) -> None:
    gate = Gate(reader)
    reader.add(*FILES, wait=False)
    gate.wait_for(3)
    reader.page.get_by_role("button", name="Clear").click()
    expect(reader.cases).to_have_count(0)
    reader.page.unroute("**/predict")
    reader.page.get_by_role("button", name="Undo").click()
    expect(reader.cases.filter(has_text="Pneumonia")).to_have_count(3)


@pytest.mark.parametrize("by", ["request", "the next file"])
def test_removed_cases_are_forgotten(reader: Reader, by: str) -> None:
    undo = reader.page.get_by_role("button", name="Undo")
    reader.add(*FILES)
    reader.page.get_by_role("button", name="Clear").click()
    expect(undo).to_be_visible()
    if by == "request":
        reader.page.get_by_role("button", name="Do not keep them").click()
    else:
        reader.add(FILES[0])
    expect(undo).to_be_hidden()


@pytest.fixture
def questions(reader: Reader) -> list[str]:
    """The kinds of the dialogs that the browser opened; the answer is always to stay."""
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    reader.page.on("dialog", stay)
    # a browser asks only somebody who has touched the page
    reader.page.locator("main").click()
    return asked


def leave(reader: Reader, asked: list[str], *, asks: bool) -> None:
    """Close the page, and expect to be asked, or to be gone."""
    before = len(asked)
    reader.page.close(run_before_unload=True)
    if asks:
        reader.wait_until(lambda: len(asked) > before, "the browser asked")
        assert asked[-1] == "beforeunload"
    else:
        wait_for_close(reader)
        assert len(asked) == before


def wait_for_close(reader: Reader) -> None:
    if not reader.page.is_closed():
        reader.page.wait_for_event("close")


def test_leaving_an_empty_page_asks_nothing(reader: Reader, questions: list[str]) -> None:
    leave(reader, questions, asks=False)


def test_leaving_asks_until_the_answers_are_saved(reader: Reader, questions: list[str]) -> None:
    gate = Gate(reader)
    reader.add(FILES[0], wait=False)
    gate.wait_for(1)
    leave(reader, questions, asks=True)
    gate.open_one()
    expect(reader.verdict).to_contain_text("Pneumonia")
    leave(reader, questions, asks=True)
    with reader.page.expect_download():
        reader.page.get_by_role("button", name="CSV").click()
    leave(reader, questions, asks=False)


def test_leaving_the_example_asks_nothing(reader: Reader, questions: list[str]) -> None:
    reader.page.get_by_role("button", name="Try an example").click()
    expect(reader.card.locator(".figure")).to_be_visible()
    leave(reader, questions, asks=False)
