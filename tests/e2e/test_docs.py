"""The API's documentation in a real browser, in which no request leaves the host.

That, and a clean console, is checked by the fixture after each test.
"""

from playwright.sync_api import expect

from tests.e2e.conftest import ReaderFactory
from tests.images import image_bytes
from tests.process import ServiceProcess

PATHS = ("/predict", "/predict/batch", "/explain", "/health", "/metrics", "/model")


def test_swagger_ui_shows_every_address_and_tries_one(
    open_reader: ReaderFactory, tiny_service: ServiceProcess
) -> None:
    page = open_reader().page
    page.goto(f"{tiny_service.url}/docs")
    for path in PATHS:
        expect(page.locator(f'[data-path="{path}"]')).to_be_visible()
    operation = page.locator(".opblock", has=page.locator('[data-path="/predict"]'))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    file = {"name": "chest.jpg", "mimeType": "image/jpeg", "buffer": image_bytes(grey=170)}
    operation.locator('input[type="file"]').set_input_files(file)  # type: ignore[arg-type]
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    expect(answer).to_contain_text('"decision": "pneumonia"')


def test_redoc_shows_every_address(
    open_reader: ReaderFactory, tiny_service: ServiceProcess
) -> None:
    page = open_reader().page
    page.goto(f"{tiny_service.url}/redoc")
    for path in PATHS:
        expect(page.get_by_text(path, exact=True).first).to_be_attached()
    expect(page.get_by_role("heading", name="Pneumonia Detection")).to_be_visible()
    page.wait_for_load_state("networkidle")
