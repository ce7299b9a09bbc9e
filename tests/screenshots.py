"""Take the screenshots of the page for the documents: ``make screenshots``.

They show the shipped model and the example of the page.
"""

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageOps
from playwright.sync_api import Browser

from service.settings import DEFAULT_MODEL
from tests.browser import DESK, PHONE, Reader, chromium, upload
from tests.images import encode
from tests.process import ROOT, service_process

FOLDER = ROOT / "docs" / "images"
EXAMPLE = ROOT / "service" / "web" / "example.jpg"

# name -> size of the window, query of the address, keys that are pressed at the end
SCREENSHOTS = {
    "page": (DESK, "", ""),
    "page-light": (DESK, "theme=light", "s"),
    "page-table": (DESK, "", "l"),
    "page-phone": (PHONE, "", ""),
}


def main() -> int:
    """Write all screenshots; returns the exit code."""
    if not DEFAULT_MODEL.exists():
        sys.stderr.write("needs the shipped model\n")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        service_process(DEFAULT_MODEL, Path(folder)) as service,
        chromium() as browser,
    ):
        for name in SCREENSHOTS:
            take(browser, service.url, name, EXAMPLE.read_bytes())
    return 0


def take(browser: Browser, url: str, name: str, chest: bytes) -> None:
    """Write one screenshot."""
    (width, height), query, keys = SCREENSHOTS[name]
    size = {"width": width, "height": height}
    page = browser.new_page(
        viewport=size,  # type: ignore[arg-type]
        reduced_motion="reduce",
        color_scheme="dark",
    )
    reader = Reader(page, url)
    reader.open(query)
    reader.add(
        upload("chest.jpg", chest),
        *[upload(f"{name}.jpg", content) for name, content in variants()],
        upload("letter.pdf", b"%PDF-1.7", "application/pdf"),
    )
    if not reader.card.locator(".figure").is_visible():
        raise SystemExit(
            f"the shipped model did not answer the chest: {reader.verdict.inner_text()}"
        )
    reader.wait_for_image()
    evidence = page.get_by_role("button", name="Show evidence")
    if evidence.get_attribute("aria-pressed") == "false":
        evidence.click()
    page.keyboard.type(keys)
    page.evaluate("Promise.all([...document.images].map(image => image.src && image.decode()))")
    shot = Image.open(BytesIO(page.screenshot())).convert("RGB")
    shot.save(FOLDER / f"{name}.jpg", quality=88, optimize=True)
    page.close()


def variants() -> Iterator[tuple[str, bytes]]:
    """The example that the page offers, changed, so that the list shows more than one answer."""
    with Image.open(EXAMPLE) as image:
        width, height = image.size
        changed = {
            "dark": image.point([round(255 * (level / 255) ** 2) for level in range(256)]),
            "pale": image.point([128 + level // 2 for level in range(256)]),
            "upper-half": image.crop((0, 0, width, height // 2)),
            "narrow": image.crop((width // 4, 0, width * 3 // 4, height)),
            "upside-down": ImageOps.flip(image),
            "inverted": ImageOps.invert(image),
            "thumbnail": image.resize((width // 10, height // 10)),
        }
    for name, variant in changed.items():
        yield name, encode(variant, "JPEG", quality=90)


if __name__ == "__main__":
    sys.exit(main())
