"""A service, a browser, and somebody who uses the one through the other."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import Browser

from tests.browser import DESK, Reader, chromium
from tests.process import ServiceProcess, service_process

ReaderFactory: TypeAlias = Callable[..., Reader]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs the browser last.

    While it runs, Playwright has an event loop running in this thread, so that no other test could
    start its own.
    """
    items.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, for all tests; each gets a context of its own."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def tiny_service(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """A service process on the tiny model, which calls bright images pneumonia."""
    folder = tmp_path_factory.mktemp("service")
    # no answer is late on a machine that is busy with other things
    with service_process(tiny_model, folder, deadline_seconds=600) as service:
        yield service


@pytest.fixture
def open_reader(browser: Browser, tiny_service: ServiceProcess) -> Iterator[ReaderFactory]:
    """Sits somebody down before the page, by default at a desk and the tiny service.

    Whatever the test does, at its end no request has left for another host and the console is
    clean.
    """
    with ExitStack() as stack:
        readers: list[Reader] = []

        def make(size: tuple[int, int] = DESK, url: str | None = None) -> Reader:
            context = browser.new_context(viewport={"width": size[0], "height": size[1]})
            stack.callback(context.close)
            reader = Reader(context.new_page(), url or tiny_service.url)
            readers.append(reader)
            return reader

        yield make
        for reader in readers:
            assert reader.foreign_requests() == []
            assert reader.complaints == []


@pytest.fixture
def reader(open_reader: ReaderFactory) -> Reader:
    """Somebody at a desk who has opened the page."""
    reader = open_reader()
    reader.open()
    return reader
