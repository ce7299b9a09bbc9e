"""The reader's own verdict and comment: beside the model's, or before it is seen."""

import csv
import io
import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser import Reader, upload
from tests.images import image_bytes

BRIGHT = upload("bright.jpg", image_bytes(200))
DIM = upload("dim.jpg", image_bytes(60))
TEXT = upload("notes.txt", b"hello")


def test_verdict_and_comment_stay_with_their_case(reader: Reader) -> None:
    reader.add(BRIGHT, DIM)
    verdict = reader.page.get_by_role("group", name="Your verdict")
    expect(verdict.get_by_label("None")).to_be_checked()
    verdict.get_by_label("Uncertain").check()
    expect(verdict.get_by_label("Uncertain")).to_be_focused()
    comment = reader.page.get_by_label("Comment")
    comment.press_sequentially("A rib, jn?")  # the keys of the shortcuts are letters here
    reader.page.locator("#main").focus()
    reader.page.keyboard.press("j")
    expect(reader.card.locator("h2")).to_have_text("dim.jpg")
    expect(comment).to_have_value("")
    expect(verdict.get_by_label("None")).to_be_checked()
    reader.page.keyboard.press("k")
    expect(comment).to_have_value("A rib, jn?")
    expect(verdict.get_by_label("Uncertain")).to_be_checked()
    reader.page.get_by_label("Screening").check()
    expect(comment).to_have_value("A rib, jn?")


def test_keys_give_a_verdict_and_take_it_back(reader: Reader) -> None:
    reader.add(BRIGHT)
    verdict = reader.page.get_by_role("group", name="Your verdict")
    for key, words in (("y", "Pneumonia"), ("u", "Uncertain"), ("n", "Normal"), ("n", "None")):
        reader.page.keyboard.press(key)
        expect(verdict.get_by_label(words)).to_be_checked()
        expect(reader.page.locator("#announcer")).to_have_text(
            f"bright.jpg: your verdict is {words}"
        )


def test_agreement_with_the_model_is_counted(reader: Reader) -> None:
    agreement = reader.page.locator("#agreement")
    reader.add(BRIGHT, DIM, TEXT)
    expect(agreement).to_be_hidden()
    for key in "yjyjnk":  # a verdict on a file that was not read is compared with nothing
        reader.page.keyboard.press(key)
    expect(agreement).to_have_text("You and the model agree in 1 of 2 cases")
    reader.page.keyboard.press("n")
    expect(agreement).to_have_text("You and the model agree in 2 of 2 cases")


def test_an_answer_hides_until_there_is_a_verdict(reader: Reader) -> None:
    reader.open("blind=on")
    reader.add(BRIGHT, DIM)
    reader.wait_for_image()
    evidence = reader.page.locator(".viewport .evidence").first
    expect(reader.verdict).to_contain_text("Your verdict first")
    for part in ("#list", "#card"):
        assert not re.search(r"\d%|Probability", reader.page.locator(part).inner_text())
    expect(evidence).to_have_css("opacity", "0")
    expect(reader.page.get_by_role("button", name="Show evidence")).to_be_disabled()
    expect(reader.page.locator("#announcer")).not_to_contain_text("probability")
    options = reader.page.get_by_label("Filter by answer").locator("option")
    expect(options.nth(1)).to_have_text("Pneumonia (0)")
    reader.page.get_by_role("columnheader", name="Prob.").get_by_role("button").click()
    expect(reader.names).to_have_text(["bright.jpg", "dim.jpg"])
    reader.page.keyboard.press("n")
    expect(reader.verdict).to_contain_text("Pneumonia")
    expect(reader.case("bright.jpg")).to_contain_text("Pneumonia")
    expect(reader.case("dim.jpg")).to_contain_text("Your verdict first")
    reader.page.get_by_label("Hide answers until").uncheck()
    expect(reader.case("dim.jpg")).to_contain_text("Normal")
    expect(reader.page).not_to_have_url(re.compile("blind"))


def test_both_are_taken_away_together(reader: Reader) -> None:
    reader.open("blind=on")
    reader.add(BRIGHT, DIM, TEXT)
    reader.page.keyboard.press("n")  # unaided, then changed
    reader.page.keyboard.press("y")
    reader.page.get_by_label("Comment").fill('=1+1, "left"\nlower lobe')
    reader.page.get_by_label("Hide answers until").uncheck()
    reader.page.keyboard.press("j")
    expect(reader.card.locator("h2")).to_have_text("dim.jpg")
    expect(reader.verdict).to_contain_text("Normal")
    reader.page.get_by_label("Hide answers until").check()
    reader.page.keyboard.press("y")  # its answer had been seen
    expect(reader.verdict).to_contain_text("Normal")
    document = json.loads(saved(reader, "JSON"))
    assert document["agreement"]["operating_point"] == "balanced"
    assert (document["agreement"]["cases"], document["agreement"]["agreed"]) == (2, 1)
    assert document["agreement"]["table"]["pneumonia"] == {
        "pneumonia": 1,
        "uncertain": 0,
        "normal": 1,
    }
    first, second, third = document["cases"]
    assert (first["reader_verdict"], first["reader_unaided"]) == ("pneumonia", "normal")
    assert (first["agrees"], first["reader_comment"]) == (True, '=1+1, "left"\nlower lobe')
    assert (second["reader_verdict"], second["reader_unaided"]) == ("pneumonia", None)
    assert second["agrees"] is False
    assert (third["reader_verdict"], third["agrees"]) == (None, None)
    rows = list(csv.DictReader(io.StringIO(saved(reader, "CSV").decode("utf-8-sig"), newline="")))
    assert [row["reader_verdict"] for row in rows] == ["pneumonia", "pneumonia", ""]
    assert [row["reader_unaided"] for row in rows] == ["normal", "", ""]
    assert [row["agrees"] for row in rows] == ["true", "false", ""]
    assert rows[0]["reader_comment"] == '\'=1+1, "left"\nlower lobe', "no spreadsheet runs it"


def saved(reader: Reader, kind: str) -> bytes:
    """What the browser saves when a button of the list is pressed."""
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name=kind).click()
    return Path(download.value.path()).read_bytes()
