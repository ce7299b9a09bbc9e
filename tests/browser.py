"""Debian's Chromium and the page in it, watched: what it asks for, and what it complains about."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FilePayload,
    Locator,
    Page,
    Request,
    Route,
    expect,
    sync_playwright,
)

from tests.needs import program
from tests.waiting import PATIENCE_SECONDS, wait_until

# It must not go looking for updates, nor for a graphics card or a sandbox where there is none.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Chromium itself writes a line for every answer that is an error; the page cannot keep it from it.
_ERROR_ANSWER = re.compile(r"Failed to load resource: the server responded with a status of \d+")

_DECODE = """() => Promise.all(
    [...document.querySelectorAll(".viewport img[src]")].map(image => image.decode()))"""

DESK = (1440, 900)
PHONE = (390, 844)
WALL = (2560, 1440)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser."""
    path = program("chromium")
    expect.set_options(timeout=1000 * PATIENCE_SECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=_FLAGS, timeout=1000 * PATIENCE_SECONDS
        )
        yield browser
        browser.close()


class Reader:
    """Somebody in front of the page.

    Attributes:
        page: the browser's page.
        url: of the service, without a slash at the end.
        requests: all that were made so far.
        complaints: what stands in the console, and errors that nobody caught.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.on("request", lambda request: self.requests.append(request))
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, query: str = "", *, ready: bool = True) -> None:
        """Open the page, by default in English whatever the system speaks."""
        query = query if "lang=" in query else f"{query}&lang=en"
        self.page.goto(f"{self.url}/?{query.lstrip('&')}")
        if ready:
            self.page.wait_for_selector("body[data-ready]")

    def add(self, *files: FilePayload | Path, wait: bool = True) -> None:
        """Choose files, and wait until none of the page's cases is open any more."""
        known = self.cases.count()
        chosen: Sequence[FilePayload | Path] = files
        self.page.set_input_files("#picker", chosen)  # type: ignore[arg-type]
        if wait:
            expect(self.cases).to_have_count(known + len(files))
            self.wait_until_read()

    def wait_until_read(self) -> None:
        """Wait until no case is waiting or being read."""
        expect(self.page.locator("#progress")).to_be_hidden()

    def wait_for_image(self) -> None:
        """Wait until the viewer has what it asked the service for, and the browser can draw it."""
        expect(self.page.locator(".viewports[data-case]:not([aria-busy])")).to_be_visible()
        # the page gives the browser an address, which the browser has yet to read
        self.page.evaluate(_DECODE)

    def wait_until(self, holds: Callable[[], object], what: str) -> None:
        """As :func:`tests.waiting.wait_until`, while the browser goes on."""
        wait_until(holds, what, lambda seconds: self.page.wait_for_timeout(1000 * seconds))

    @property
    def cases(self) -> Locator:
        """The rows of the list."""
        return self.page.locator("#rows tbody tr")

    @property
    def names(self) -> Locator:
        """The files in the list, in its order."""
        return self.page.locator("#rows .pick")

    def case(self, name: str) -> Locator:
        """The row of a file."""
        return self.cases.filter(has_text=name)

    @property
    def card(self) -> Locator:
        """The answer that is shown."""
        return self.page.locator("#card")

    @property
    def verdict(self) -> Locator:
        """The words of the answer that is shown."""
        return self.card.locator(".verdict")

    def uploads(self, path: str = "/predict") -> int:
        """How many images were sent to an address."""
        return sum(f"{self.url}{path}" in request.url for request in self.requests)

    def foreign_requests(self) -> list[str]:
        """Addresses beyond the service that were asked for."""
        own = (self.url, "blob:", "data:")
        return [request.url for request in self.requests if not request.url.startswith(own)]

    def _hear(self, message: ConsoleMessage) -> None:
        if not _ERROR_ANSWER.match(message.text):
            self.complaints.append(f"{message.type}: {message.text}")


class Gate:
    """Holds requests back until they are let through.

    Attributes:
        held: the requests that stand before it, the oldest first.
    """

    def __init__(self, reader: Reader, pattern: str = "**/predict") -> None:
        self.held: list[Route] = []
        self._reader = reader
        reader.page.route(pattern, lambda route: self.held.append(route))

    def wait_for(self, count: int) -> None:
        """Wait until so many requests stand before it."""
        self._reader.wait_until(lambda: len(self.held) >= count, f"{count} requests came")
        assert len(self.held) == count

    def open_one(self) -> None:
        """Let the oldest through."""
        self.held.pop(0).continue_()


def upload(name: str, content: bytes, kind: str = "image/jpeg") -> FilePayload:
    """A file as the browser's dialog gives it."""
    return {"name": name, "mimeType": kind, "buffer": content}
