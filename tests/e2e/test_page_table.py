"""The list: sorted, filtered, walked through with the keys, taken away as a file."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import PHONE, Reader, upload
from tests.e2e.conftest import ReaderFactory
from tests.images import image_bytes
from tests.process import ROOT, ServiceProcess

FILES = (
    upload("scan-10.jpg", image_bytes(200)),
    upload("scan-2.jpg", image_bytes(60)),
    upload("notes.txt", b"hello", "text/plain"),
    upload("scan-1.jpg", image_bytes(100)),
)
ADDED = ["scan-10.jpg", "scan-2.jpg", "notes.txt", "scan-1.jpg"]


@pytest.fixture
def filled(reader: Reader) -> Reader:
    reader.add(*FILES)
    return reader


@pytest.mark.parametrize(
    ("column", "once", "twice"),
    [
        (
            "File",
            ["notes.txt", "scan-1.jpg", "scan-2.jpg", "scan-10.jpg"],
            ["scan-10.jpg", "scan-2.jpg", "scan-1.jpg", "notes.txt"],
        ),
        (
            "Prob.",
            ["scan-10.jpg", "scan-1.jpg", "scan-2.jpg", "notes.txt"],
            ["scan-2.jpg", "scan-1.jpg", "scan-10.jpg", "notes.txt"],
        ),
    ],
)
def test_a_column_sorts_both_ways_and_then_not_at_all(
    filled: Reader, column: str, once: list[str], twice: list[str]
) -> None:
    head = filled.page.get_by_role("columnheader", name=column)
    for order, names in ((None, ADDED), ("", once), ("", twice), (None, ADDED)):
        expect(filled.names).to_have_text(names)
        expect(head).to_have_attribute(
            "aria-sort", "none" if order is None else re.compile("ascending|descending")
        )
        head.get_by_role("button").click()


def test_answers_sort_by_what_needs_attention(filled: Reader) -> None:
    filled.page.get_by_role("columnheader", name="Answer").get_by_role("button").click()
    expect(filled.names).to_have_text(["scan-10.jpg", "scan-2.jpg", "scan-1.jpg", "notes.txt"])


def test_the_list_is_filtered_by_name_and_by_answer(filled: Reader) -> None:
    filled.page.get_by_label("Filter by file name").fill("SCAN-1")
    expect(filled.cases).to_have_count(2)
    expect(filled.names).to_have_text(["scan-10.jpg", "scan-1.jpg"])
    filled.page.get_by_label("Filter by answer").select_option("normal")
    expect(filled.cases).to_have_count(1)
    expect(filled.names).to_have_text(["scan-1.jpg"])
    filled.page.get_by_label("Filter by answer").select_option("failed")
    expect(filled.page.get_by_text("No case matches the filter.")).to_be_visible()
    filled.page.get_by_label("Filter by file name").fill("")
    expect(filled.names).to_have_text(["notes.txt"])


def test_the_filter_says_how_many_cases_have_each_answer(filled: Reader) -> None:
    options = filled.page.get_by_label("Filter by answer").locator("option")
    expect(options).to_have_text(
        ["All (4)", "Pneumonia (1)", "Uncertain (0)", "Normal (2)", "Not read (1)", "Waiting (0)"]
    )
    filled.page.get_by_label("Screening").check()
    expect(options.nth(1)).to_have_text("Above threshold (2)")


def test_a_single_case_needs_no_filter_unless_it_is_hidden_by_one(filled: Reader) -> None:
    filter_by_name = filled.page.get_by_label("Filter by file name")
    filter_by_name.fill("scan-2")
    expect(filled.cases).to_have_count(1)
    filled.page.keyboard.press("Tab")
    filter_by_name.fill("")
    for name in ("scan-10.jpg", "scan-1.jpg", "notes.txt"):
        filled.page.get_by_role("button", name=f"Remove {name}").click()
    expect(filled.cases).to_have_count(1)
    expect(filter_by_name).to_be_hidden()
    filled.add(*FILES[:1])
    expect(filter_by_name).to_be_visible()
    filter_by_name.fill("scan-2")
    filled.page.get_by_role("button", name="Remove scan-2.jpg").click()
    expect(filled.page.get_by_text("No case matches the filter.")).to_be_visible()
    expect(filter_by_name).to_be_visible()


def test_the_table_over_the_whole_width_shows_more_and_leads_back(filled: Reader) -> None:
    size = filled.page.get_by_role("cell", name=re.compile("320 . 256")).first
    expect(size).to_be_hidden()
    filled.page.get_by_role("button", name="Full-width table").click()
    expect(size).to_be_visible()
    expect(filled.card).to_be_hidden()
    filled.case("scan-2.jpg").locator(".pick").click()
    expect(filled.card).to_contain_text("scan-2.jpg")


def test_keys_walk_through_the_list_and_remove(filled: Reader) -> None:
    filled.case("scan-10.jpg").locator(".pick").focus()
    filled.page.keyboard.press("ArrowDown")
    expect(filled.card.locator("h2")).to_have_text("scan-2.jpg")
    expect(filled.case("scan-2.jpg").locator(".pick")).to_be_focused()
    filled.page.keyboard.press("Delete")
    expect(filled.cases).to_have_count(3)
    expect(filled.case("notes.txt").locator(".pick")).to_be_focused()
    expect(filled.card.locator("h2")).to_have_text("notes.txt")
    filled.page.keyboard.press("ArrowUp")
    expect(filled.card.locator("h2")).to_have_text("scan-10.jpg")
    filled.page.keyboard.press("k")
    expect(filled.card.locator("h2")).to_have_text("scan-10.jpg")
    filled.page.keyboard.press("j")
    expect(filled.card.locator("h2")).to_have_text("notes.txt")


def test_keys_follow_the_order_that_is_shown(filled: Reader) -> None:
    filled.page.get_by_role("columnheader", name="File").get_by_role("button").click()
    filled.case("scan-1.jpg").locator(".pick").click()
    filled.page.keyboard.press("j")
    expect(filled.card.locator("h2")).to_have_text("scan-2.jpg")


def test_a_phone_walks_with_buttons_and_has_the_list_as_a_view(
    open_reader: ReaderFactory,
) -> None:
    reader = open_reader(PHONE)
    reader.open()
    reader.add(*FILES)
    expect(reader.page.locator("#rows")).to_be_hidden()
    expect(reader.page.get_by_text("1 of 4")).to_be_visible()
    reader.page.get_by_role("button", name="Next case").click()
    expect(reader.page.get_by_text("2 of 4")).to_be_visible()
    expect(reader.card.locator("h2")).to_have_text("scan-2.jpg")
    reader.page.get_by_role("button", name="Table").click()
    expect(reader.page.locator("#rows")).to_be_visible()
    width = reader.page.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE[0], "nothing sticks out at the side"


def test_the_shown_cases_are_taken_away_as_csv(filled: Reader) -> None:
    filled.page.get_by_label("Screening").check()
    filled.page.get_by_label("Filter by file name").fill("scan")
    expect(filled.cases).to_have_count(3)
    rows = list(csv.DictReader(io.StringIO(saved(filled, "CSV").decode("utf-8-sig"))))
    assert [row["file"] for row in rows] == ["scan-10.jpg", "scan-2.jpg", "scan-1.jpg"]
    assert [row["decision"] for row in rows] == ["pneumonia", "normal", "pneumonia"]
    assert {row["operating_point"] for row in rows} == {"screening"}
    assert {float(row["threshold"]) for row in rows} == {0.2}
    for row in rows:
        parts = [float(row[f"probability_{label}"]) for label in ("normal", "bacterial", "viral")]
        assert sum(parts) == pytest.approx(1)
        assert float(row["probability"]) == pytest.approx(parts[1] + parts[2])
        assert len(row["model_sha256"]) == 64


@pytest.mark.parametrize("point", ["balanced", "careful", "screening"])
def test_all_outputs_name_the_same_subtypes(
    reader: Reader, tiny_service: ServiceProcess, tiny_model: Path, tmp_path: Path, point: str
) -> None:
    images = {f"grey-{grey:03}.jpg": image_bytes(grey) for grey in (70, 110, 130, 150, 170, 200)}
    reader.open(f"point={point}")
    reader.add(*[upload(name, data) for name, data in images.items()])
    table, service = {}, {}
    for name, data in images.items():
        (tmp_path / name).write_bytes(data)
        cell = reader.case(name).locator(".col-subtype").text_content() or ""
        table[name] = cell.lower()
        query = {"operating_point": point}
        answer = tiny_service.post("/predict", params=query, files={"file": data}).json()
        service[name] = answer["subtype"] or ""
    rows = csv.DictReader(io.StringIO(saved(reader, "CSV").decode("utf-8-sig")))
    cases = json.loads(saved(reader, "JSON"))["cases"]
    options = ["--csv", "--operating-point", point, "--model", str(tiny_model)]
    command = [sys.executable, "-m", "service", "predict", str(tmp_path), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = csv.DictReader(io.StringIO(done.stdout))
    assert table == service == {row["file"]: row["subtype"] for row in rows}
    assert service == {case["file"]: case["subtype"] or "" for case in cases}
    assert service == {Path(line["file"]).name: line["subtype"] for line in lines}
    named = {"balanced": 3, "careful": 2, "screening": 0}
    assert len(list(filter(None, service.values()))) == named[point]


def test_the_shown_cases_are_taken_away_as_json(filled: Reader) -> None:
    document = json.loads(saved(filled, "JSON"))
    assert document["not_a_medical_device"] is True
    assert document["model"] == {"name": "tiny", "version": "1.0"}
    assert [case["file"] for case in document["cases"]] == ADDED
    failed = document["cases"][2]
    assert (failed["state"], failed["problem"]) == ("failed", "unsupported_type")
    assert failed["probability"] is None
    assert failed["request_id"]


def test_a_refused_image_is_taken_away_with_all_that_is_known_of_it(reader: Reader) -> None:
    reader.add(upload("dark.jpg", image_bytes(0)), upload("small.jpg", image_bytes(160, (48, 48))))
    refused, answered = json.loads(saved(reader, "JSON"))["cases"]
    assert refused["problem"] == "not_a_chest_xray"
    assert refused["problem_status"] == 422
    assert "chest X-ray" in refused["problem_detail"]
    assert refused["input_accepted"] is False
    assert refused["input_distance"] > refused["input_limit"]
    assert (refused["decision"], refused["probability"], refused["warnings"]) == (None, None, [])
    assert answered["warnings"] == ["upscaled"]
    for name in ("model", "model_version", "model_sha256", "operating_point"):
        assert refused[name] == answered[name] is not None
    rows = list(csv.DictReader(io.StringIO(saved(reader, "CSV").decode("utf-8-sig"))))
    assert [row["warnings"] for row in rows] == ["", "upscaled"]
    assert rows[0]["problem_detail"] == refused["problem_detail"]


def test_a_spreadsheet_runs_no_file_name(reader: Reader) -> None:
    names = ['=HYPERLINK("x")', "+1.jpg", "a,b.jpg", 'say "ah".jpg']
    reader.add(*[upload(name, image_bytes(200)) for name in names])
    rows = list(csv.DictReader(io.StringIO(saved(reader, "CSV").decode("utf-8-sig"))))
    assert [row["file"] for row in rows] == ["'" + names[0], "'+1.jpg", *names[2:]]


def saved(reader: Reader, kind: str) -> bytes:
    """What the browser saves when a button of the list is pressed."""
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name=kind).click()
    assert download.value.suggested_filename == f"pneumonia.{kind.lower()}"
    return Path(download.value.path()).read_bytes()
