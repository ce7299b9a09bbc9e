from pathlib import Path

import pytest

from benchmarks import blocks
from benchmarks.publish import PublishError, fill, told
from service.settings import Settings
from training.reports.files import measured_on, read, write

BLOCKS = {"speed": lambda: "42 images/s"}


def test_a_block_is_written_and_all_else_is_kept() -> None:
    text = "before\n<!-- begin: speed -->\nold\nlines\n<!-- end: speed -->\nafter\n"
    filled = fill(text, BLOCKS)
    assert filled == "before\n<!-- begin: speed -->\n42 images/s\n<!-- end: speed -->\nafter\n"
    assert fill(filled, BLOCKS) == filled


def test_two_blocks_of_one_name_are_both_written() -> None:
    empty = "<!-- begin: speed -->\n<!-- end: speed -->\n"
    assert fill(empty * 2, BLOCKS).count("42 images/s") == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<!-- begin: weight -->\n<!-- end: weight -->\n", "no block is called weight"),
        ("<!-- begin: speed -->\n", "without its partner"),
        ("<!-- begin: speed -->\n<!-- end: spede -->\n", "without its partner"),
        ("<!-- end: speed -->\n", "without its partner"),
    ],
)
def test_a_broken_document_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(PublishError, match=complaint):
        fill(text, BLOCKS)


def test_a_missing_report_names_the_command_that_makes_it(tmp_path: Path) -> None:
    block = told(blocks.startup, tmp_path / "startup.json", "bench-startup")
    assert "`make bench-startup`" in block()


def test_a_report_says_what_it_was_measured_on(tmp_path: Path) -> None:
    write(tmp_path / "speed.json", {"images_per_second": 42})
    report = read(tmp_path / "speed.json")
    assert report["images_per_second"] == 42
    assert report["measured_on"] == measured_on()
    assert report["measured_on"]["cores"] >= 1


def test_every_setting_has_a_row_with_its_meaning_default_and_bounds() -> None:
    rows = [line.split(" | ") for line in blocks.settings().splitlines()[2:]]
    assert [row[0] for row in rows] == [
        f"| `PNEUMONIA_{name.upper()}`" for name in Settings.model_fields
    ]
    by_name = {row[0].strip("| `"): row for row in rows}
    assert all(row[3].strip(" |") for row in rows)
    assert by_name["PNEUMONIA_PORT"][1:3] == ["`8000`", "0 to 65535"]
    assert by_name["PNEUMONIA_INPUT_CHECK"][2] == "`refuse`, `flag`"
    assert by_name["PNEUMONIA_MODEL"][1] == "`models/pneumonia.onnx`"
    assert by_name["PNEUMONIA_DEADLINE_SECONDS"][2].startswith("above 0 to")
