"""What axe-core, a checker of accessibility, finds wrong with the page as it is now."""

from importlib.resources import files
from typing import Any

from tests.browser import Reader

_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def violations(reader: Reader) -> list[str]:
    """Each broken rule with the elements that break it."""
    reader.page.evaluate(_AXE)
    # a colour on its way to another is none that anybody reads
    reader.page.evaluate(
        "() => Promise.allSettled(document.getAnimations().map(one => one.finished))"
    )
    found: list[dict[str, Any]] = reader.page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
    )
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found]
