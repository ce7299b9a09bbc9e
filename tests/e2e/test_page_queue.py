"""Many files: a few at a time, with progress, cancelling and another try."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import Gate, Reader, upload
from tests.images import image_bytes


@pytest.fixture
def gate(reader: Reader) -> Gate:
    return Gate(reader)


def add(reader: Reader, count: int) -> None:
    reader.add(
        *[upload(f"case-{number}.jpg", image_bytes(200)) for number in range(count)], wait=False
    )
    expect(reader.cases).to_have_count(count)


def test_a_few_are_read_at_a_time_and_progress_is_shown(reader: Reader, gate: Gate) -> None:
    add(reader, 5)
    expect(reader.cases.filter(has_text="Reading")).to_have_count(3)
    expect(reader.cases.filter(has_text="Waiting")).to_have_count(2)
    gate.wait_for(3)
    expect(reader.page.locator("#progress-text")).to_have_text("0 of 5 read")
    gate.open_one()
    expect(reader.page.locator("#progress-text")).to_have_text("1 of 5 read")
    expect(reader.page.get_by_role("progressbar")).to_have_js_property("value", 0.2)
    expect(reader.cases.filter(has_text="Reading")).to_have_count(3)
    gate.wait_for(3)
    gate.open_one()
    gate.open_one()
    gate.wait_for(2)
    gate.open_one()
    gate.open_one()
    expect(reader.page.locator("#progress")).to_be_hidden()
    expect(reader.cases.filter(has_text="Pneumonia")).to_have_count(5)


def test_one_case_is_cancelled_and_read_after_all(reader: Reader, gate: Gate) -> None:
    add(reader, 4)
    gate.wait_for(3)
    reader.page.get_by_role("button", name="Cancel case-0.jpg").click()
    expect(reader.case("case-0.jpg")).to_contain_text("Cancelled")
    # its place is free for the one that waited
    expect(reader.case("case-3.jpg")).to_contain_text("Reading")
    gate.wait_for(4)
    for _ in range(4):  # for the cancelled one it changes nothing any more
        gate.open_one()
    expect(reader.cases.filter(has_text="Pneumonia")).to_have_count(3)
    reader.page.get_by_role("button", name="Retry case-0.jpg").click()
    expect(reader.case("case-0.jpg")).to_contain_text("Reading")
    gate.wait_for(1)
    gate.open_one()
    expect(reader.case("case-0.jpg")).to_contain_text("Pneumonia")


def test_all_are_cancelled_and_retried(reader: Reader, gate: Gate) -> None:
    add(reader, 5)
    gate.wait_for(3)
    reader.page.get_by_role("button", name="Cancel all").click()
    expect(reader.cases.filter(has_text="Cancelled")).to_have_count(5)
    expect(reader.page.locator("#progress")).to_be_hidden()
    gate.wait_for(3)  # those that waited were never sent
    reader.page.unroute("**/predict")
    reader.page.get_by_role("button", name="Retry failed").click()
    expect(reader.cases.filter(has_text="Pneumonia")).to_have_count(5)


def test_a_busy_service_is_waited_for_as_long_as_it_asks(reader: Reader) -> None:
    reader.page.clock.install()
    reader.open()
    busy = {"code": "overloaded", "status": 429, "detail": "Later.", "retry_after": 3600}
    reader.page.route("**/predict", lambda route: route.fulfill(status=429, json=busy), times=1)
    add(reader, 1)
    expect(reader.case("case-0.jpg")).to_contain_text("The service is busy")
    reader.page.clock.fast_forward("30:00")
    expect(reader.case("case-0.jpg")).to_contain_text("The service is busy")
    assert reader.uploads() == 1
    reader.page.clock.fast_forward("31:00")
    expect(reader.case("case-0.jpg")).to_contain_text("Pneumonia")
    assert reader.uploads() == 2


def test_waiting_for_a_busy_service_can_be_cancelled(reader: Reader) -> None:
    busy = {"code": "overloaded", "status": 429, "detail": "Later.", "retry_after": 600}
    reader.page.route("**/predict", lambda route: route.fulfill(status=429, json=busy))
    add(reader, 1)
    expect(reader.verdict).to_contain_text("retries automatically")
    reader.card.get_by_role("button", name="Cancel").click()
    expect(reader.verdict).to_contain_text("Cancelled")


def test_failed_ones_are_retried_together(reader: Reader) -> None:
    wrong = {"code": "internal", "status": 500, "detail": "No.", "request_id": "abc123"}
    reader.page.route("**/predict", lambda route: route.fulfill(status=500, json=wrong))
    add(reader, 3)
    expect(reader.page.get_by_role("button", name="Retry failed")).to_be_visible()
    expect(reader.verdict).to_contain_text("Something went wrong in the service")
    expect(reader.card).to_contain_text("abc123")
    reader.page.unroute("**/predict")
    reader.page.get_by_role("button", name="Retry failed").click()
    expect(reader.cases.filter(has_text="Pneumonia")).to_have_count(3)
    expect(reader.page.get_by_role("button", name="Retry failed")).to_be_hidden()


def test_what_another_try_cannot_change_is_not_retried(reader: Reader) -> None:
    wrong = {"code": "internal", "status": 500, "detail": "No."}
    reader.page.route("**/predict", lambda route: route.fulfill(status=500, json=wrong), times=1)
    add(reader, 1)
    reader.wait_until_read()
    reader.add(upload("notes.txt", b"hello"))
    expect(reader.page.get_by_role("button", name="Retry case-0.jpg")).to_be_visible()
    expect(reader.page.get_by_role("button", name="Retry notes.txt")).to_have_count(0)
    reader.page.get_by_role("button", name="Retry failed").click()
    expect(reader.case("case-0.jpg")).to_contain_text("Pneumonia")
    expect(reader.case("notes.txt")).to_contain_text("Unsupported file type")
    assert reader.uploads() == 3


def test_a_file_that_is_gone_from_the_disk_is_told(reader: Reader, tmp_path: Path) -> None:
    file = tmp_path / "gone.jpg"
    file.write_bytes(image_bytes(200))
    reader.page.route("**/predict", lambda route: route.abort())
    reader.add(file)
    expect(reader.verdict).to_contain_text("The service cannot be reached")
    reader.page.unroute("**/predict")
    file.unlink()
    reader.card.get_by_role("button", name="Retry").click()
    expect(reader.verdict).to_contain_text("The file cannot be opened")
    expect(reader.verdict).to_contain_text("Add it again")
    reader.complaints.clear()  # the browser's own lines about the two uploads that failed


def test_clearing_stops_and_forgets_everything(reader: Reader, gate: Gate) -> None:
    add(reader, 2)
    gate.wait_for(2)
    reader.page.get_by_role("button", name="Clear").click()
    expect(reader.page.get_by_role("heading", name="Drop chest X-rays here")).to_be_visible()
    assert reader.cases.count() == 0
