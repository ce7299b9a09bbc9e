"""Make the pictures of the page for the documents: ``python -m tests.screenshots``.

They show the shipped model and the chest X-ray of the package pydicom-data.
"""

import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser
from pydicom.data import get_testdata_file

from service.settings import DEFAULT_MODEL
from tests.browser import DESK, PHONE, Reader, chromium, upload
from tests.process import ROOT, service_process

FOLDER = ROOT / "docs" / "images"

# name -> size of the window, query of the address, keys that are pressed at the end
PICTURES = {
    "page": (DESK, "", ""),
    "page-light": (DESK, "theme=light", "s"),
    "page-phone": (PHONE, "", ""),
}


def main() -> int:
    """Write all pictures; returns the exit code."""
    chest = get_testdata_file("RG1_UNCR.dcm", download=False)
    if not isinstance(chest, str) or not DEFAULT_MODEL.exists():
        sys.stderr.write("needs pydicom-data and the shipped model\n")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        service_process(DEFAULT_MODEL, Path(folder)) as service,
        chromium() as browser,
    ):
        for name in PICTURES:
            take(browser, service.url, name, Path(chest).read_bytes())
    return 0


def take(browser: Browser, url: str, name: str, chest: bytes) -> None:
    """Write one picture."""
    (width, height), query, keys = PICTURES[name]
    page = browser.new_page(viewport={"width": width, "height": height})
    reader = Reader(page, url)
    reader.open(query)
    reader.add(
        upload("chest-pa.dcm", chest, "application/dicom"),
        *[upload(f"contrast-{gamma}.jpg", contrast(gamma)) for gamma in (0.4, 0.6, 1.8)],
        upload("letter.pdf", b"%PDF-1.7", "application/pdf"),
    )
    reader.wait_for_picture()
    page.keyboard.type(keys)
    page.wait_for_timeout(500)
    shot = Image.open(BytesIO(page.screenshot())).convert("RGB")
    shot.save(FOLDER / f"{name}.jpg", quality=88, optimize=True)
    page.close()


def contrast(gamma: float) -> bytes:
    """The example that the page offers, with another contrast."""
    with Image.open(ROOT / "service" / "web" / "example.jpg") as image:
        changed = image.point([round(255 * (level / 255) ** gamma) for level in range(256)])
    stream = BytesIO()
    changed.save(stream, "JPEG")
    return stream.getvalue()


if __name__ == "__main__":
    sys.exit(main())
