"""Hundreds of cases: what is taken away is given back, and what nobody looks at costs nothing."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser import Reader, upload
from tests.e2e.conftest import ReaderFactory
from tests.images import image_bytes

SMALL = image_bytes(200, (96, 96))

# Counts the addresses under which the page holds images in the browser's memory.
WATCH = """
    window.held = new Set();
    const { createObjectURL, revokeObjectURL } = URL;
    URL.createObjectURL = (blob) => {
        const url = createObjectURL.call(URL, blob);
        held.add(url);
        return url;
    };
    URL.revokeObjectURL = (url) => {
        held.delete(url);
        revokeObjectURL.call(URL, url);
    };
"""


@pytest.fixture
def watched(open_reader: ReaderFactory) -> Reader:
    reader = open_reader()
    reader.page.add_init_script(WATCH)
    reader.open()
    return reader


def held(reader: Reader) -> int:
    count: int = reader.page.evaluate("held.size")
    return count


def test_images_are_given_back(watched: Reader) -> None:
    watched.add(*[upload(f"case-{number}.jpg", SMALL) for number in range(3)])
    watched.wait_for_image()
    assert held(watched) == 2  # the X-ray and its evidence
    watched.page.keyboard.press("j")
    expect(watched.card.locator("h2")).to_have_text("case-1.jpg")
    watched.wait_for_image()
    assert held(watched) == 2
    for name in ("case-1.jpg", "case-2.jpg"):
        watched.card.get_by_role("button", name="Remove").click()
        expect(watched.case(name)).to_have_count(0)
    watched.wait_for_image()
    assert held(watched) == 2
    watched.page.get_by_role("button", name="Clear").click()
    expect(watched.cases).to_have_count(0)
    assert held(watched) == 0


def test_two_hundred_cases_are_read_walked_and_cleared(watched: Reader) -> None:
    watched.add(*[upload(f"case-{number}.jpg", SMALL) for number in range(200)], wait=False)
    expect(watched.cases).to_have_count(200)
    answered = watched.cases.filter(has_text="Pneumonia")

    def reached(count: int) -> Callable[[], bool]:
        return lambda: answered.count() >= count

    for count in range(25, 225, 25):  # each step may take as long as a test waits for anything
        watched.wait_until(reached(count), f"{count} are read")
    watched.wait_for_image()
    assert held(watched) == 2
    assert watched.uploads() == 200
    watched.page.get_by_label("Filter by file name").fill("case-19")
    expect(watched.cases).to_have_count(11)
    watched.page.get_by_label("Filter by file name").fill("")
    expect(watched.cases).to_have_count(200)
    watched.page.get_by_role("button", name="Clear").click()
    expect(watched.page.get_by_role("heading", name="Drop chest X-rays here")).to_be_visible()
    assert held(watched) == 0


def test_whoever_leafs_through_the_cases_asks_for_no_images_on_the_way(reader: Reader) -> None:
    clock = reader.page.clock
    clock.install()
    reader.open()
    reader.add(*[upload(f"case-{number}.jpg", SMALL) for number in range(6)])
    reader.wait_for_image()
    before = reader.uploads("/explain")
    clock.pause_at(reader.page.evaluate("Date.now()") / 1000 + 60)
    for number in range(1, 6):
        reader.page.keyboard.press("j")
        clock.run_for(30)  # a frame is drawn, and a held key repeats as fast
        expect(reader.card.locator("h2")).to_have_text(f"case-{number}.jpg")
    clock.resume()
    reader.wait_for_image()
    assert reader.uploads("/explain") == before + 2
