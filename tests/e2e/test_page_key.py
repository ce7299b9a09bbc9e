"""A service that asks for a key: the page asks the reader, and keeps the key in memory only."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import Reader, upload
from tests.e2e.axe import violations
from tests.e2e.conftest import ReaderFactory
from tests.images import image_bytes
from tests.process import service_process

KEY = "ward-7"


@pytest.fixture(scope="module")
def keyed_url(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    folder = tmp_path_factory.mktemp("keyed")
    with service_process(tiny_model, folder, api_key_sha256=digest) as service:
        yield service.url


@pytest.fixture
def asked(open_reader: ReaderFactory, keyed_url: str) -> Reader:
    """Somebody who has opened the page and sees the question for the key."""
    reader = open_reader(url=keyed_url)
    reader.open(ready=False)
    expect(reader.page.get_by_role("dialog", name="API key required")).to_be_visible()
    return reader


def test_axe_finds_nothing_in_the_question_for_the_key(asked: Reader) -> None:
    assert violations(asked) == []
    asked.page.keyboard.press("Escape")
    expect(asked.page.locator("#notice")).to_contain_text("An API key is required")
    assert violations(asked) == []


def test_a_key_is_asked_for_once_and_used(asked: Reader) -> None:
    asked.page.get_by_label("Key", exact=True).fill(KEY)
    asked.page.keyboard.press("Enter")
    asked.page.wait_for_selector("body[data-ready]")
    asked.add(upload("one.jpg", image_bytes(200)), upload("two.jpg", image_bytes(200)))
    expect(asked.cases.filter(has_text="Pneumonia")).to_have_count(2)
    expect(asked.page.get_by_role("dialog")).to_be_hidden()
    assert KEY not in asked.page.url
    assert asked.page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_a_wrong_key_is_told_and_asked_for_again(asked: Reader) -> None:
    asked.page.get_by_label("Key", exact=True).fill("guess")
    asked.page.keyboard.press("Enter")
    expect(asked.page.get_by_role("alert")).to_contain_text("That key was not accepted")
    asked.page.get_by_label("Key", exact=True).fill(KEY)
    asked.page.get_by_role("button", name="Use this key").click()
    asked.page.wait_for_selector("body[data-ready]")


def test_without_a_key_the_page_says_what_to_do(asked: Reader) -> None:
    asked.page.keyboard.press("Escape")
    notice = asked.page.locator("#notice")
    expect(notice).to_contain_text("An API key is required")
    notice.get_by_role("button", name="Retry").click()
    expect(asked.page.get_by_role("dialog", name="API key required")).to_be_visible()
