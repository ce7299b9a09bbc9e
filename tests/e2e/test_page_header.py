"""The panel of a DICOM file's technical header elements."""

import pytest
from playwright.sync_api import expect

from tests.browser import Reader, upload
from tests.dicom import file_bytes, radiograph, shadows
from tests.images import image_bytes


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big endian", "JPEG lossless"])
def test_technical_elements_are_shown_and_nobody_is_named(reader: Reader, syntax: str) -> None:
    dataset = radiograph(shadows(), KVP="85", PixelSpacing=["0.2", "0.3"])
    # what has to be skipped: a sequence with an element of the same tag, and of undefined length
    item = radiograph(shadows())
    del item.PixelData
    item.KVP = "7"
    dataset.RequestAttributesSequence = [item]
    dataset["RequestAttributesSequence"].is_undefined_length = True
    dataset.ReferringPhysicianName = "Hidden^Doctor"
    dataset.StudyDescription = "Secret study"
    reader.add(upload("chest.dcm", file_bytes(dataset, syntax), "application/dicom"))
    panel = reader.card.locator(".header-panel")
    panel.get_by_text("DICOM header").click()
    values = {
        "KVP(0018,0060)": "85",
        "Pixel Spacing(0028,0030)": r"0.2 \ 0.3",
        "Rows(0028,0010)": "96",
        "Bits Stored(0028,0101)": "12",
        "View Position(0018,5101)": "AP",
        "Photometric Interpretation(0028,0004)": "MONOCHROME2",
    }
    for name, value in values.items():
        term = panel.locator("dt", has_text=name)
        expect(term).to_have_count(1)
        expect(term.locator("+ dd")).to_have_text(value)
    page = reader.page.content().lower()
    for secret in ("secret", "hidden^doctor", "hidden doctor"):
        assert secret not in page


def test_a_header_that_breaks_off_shows_what_there_is(reader: Reader) -> None:
    data = file_bytes(radiograph(shadows()))
    place = data.index(b"AP")
    reader.add(upload("half.dcm", data[: place + 2], "application/dicom"))
    panel = reader.card.locator(".header-panel")
    panel.get_by_text("DICOM header").click()
    expect(panel).to_contain_text("View Position")
    expect(panel).not_to_contain_text("Rows")


def test_other_files_have_no_such_panel(reader: Reader) -> None:
    reader.add(upload("bright.jpg", image_bytes(200)), upload("notes.txt", b"hello" * 100))
    panel = reader.card.get_by_text("DICOM header")
    expect(panel).to_be_hidden()
    reader.page.keyboard.press("j")
    expect(reader.card.locator("h2")).to_have_text("notes.txt")
    expect(panel).to_be_hidden()
