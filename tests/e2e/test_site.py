"""The documentation as a site: built by its own command, whole, and at home without internet."""

import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests import needs
from tests.process import ROOT, make


class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors it has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.anchors.add(value or "")
            elif name == "src" or (name == "href" and tag == "link"):
                self.loaded.add(value or "")
            elif name == "href" and tag == "a":
                self.links.add(value or "")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of ``pages``, the Markdown, and ``site``, what was made of it."""
    if not (ROOT / ".tools" / "bin" / "zensical").exists():
        needs.missing("needs zensical: use `make test`")
    folder = tmp_path_factory.mktemp("built")
    make("site", f"BUILD={folder}")
    return folder


@pytest.fixture(scope="module")
def site(built: Path) -> dict[Path, Page]:
    """The pages of the site by their files; the one for unknown addresses stands anywhere."""
    files = sorted((built / "site").rglob("*.html"))
    return {file: Page(file.read_text()) for file in files if file.name != "404.html"}


def test_every_page_has_its_place_in_the_navigation(built: Path) -> None:
    config = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text())
    pages = {str(file.relative_to(built / "pages")) for file in (built / "pages").rglob("*.md")}
    assert entries(config["project"]["nav"]) == sorted(pages)


def test_every_link_leads_somewhere(site: dict[Path, Page]) -> None:
    assert len(site) > 30
    broken = []
    for file, page in site.items():
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.is_file() or (
                parts.fragment and unquote(parts.fragment) not in site[target].anchors
            ):
                broken.append(f"{file.name}: {link}")
    assert not broken


def test_nothing_is_loaded_from_elsewhere(site: dict[Path, Page]) -> None:
    for file, page in site.items():
        assert not [source for source in page.loaded if urlsplit(source).netloc], file.name
        # a browser would fetch what draws these
        assert 'class="mermaid"' not in file.read_text(), file.name


def entries(navigation: Any) -> list[str]:
    """All pages of a navigation, sorted."""
    if isinstance(navigation, str):
        return [navigation]
    if isinstance(navigation, dict):
        navigation = list(navigation.values())
    return sorted(page for entry in navigation for page in entries(entry))
