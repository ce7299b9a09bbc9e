"""The example that ships, and that no model that ships was trained on its patient."""

import json
from pathlib import Path

from PIL import Image

from tests.needs import shared
from tests.process import ROOT
from training.data import find_samples
from training.reports.shipped import EXAMPLE, ORIGINAL, REFERENCE, REFUSED, trained_on
from training.samples import Sample


def sample(name: str, patient: str) -> Sample:
    return Sample(Path("data") / name, REFERENCE, patient, "children")


def test_a_run_that_saw_the_patient_is_found() -> None:
    samples = [
        sample(ORIGINAL, "children/person1481"),
        sample("person1481_bacteria_1.jpeg", "children/person1481"),
        sample("person2_bacteria_1.jpeg", "children/person2"),
    ]
    names = {one.name for one in samples}
    assert trained_on(samples, names) == []
    assert trained_on(samples, names - {samples[2].name}) == []
    assert trained_on(samples, names - {samples[1].name}) == [samples[1].name]
    assert trained_on(samples[2:], set()) == []


def test_the_licence_and_the_reference_are_said_beside_it() -> None:
    notice = (ROOT / EXAMPLE).with_name("example-notice.txt").read_text()
    assert "CC BY 4.0" in notice
    assert ORIGINAL in notice
    assert f"{REFERENCE}\npneumonia" in notice
    texts = json.loads((ROOT / "service" / "web" / "texts" / "en.json").read_text())
    assert f"Reference label there: {REFERENCE} pneumonia" in texts["example.reference"]
    for file in (EXAMPLE, REFUSED):
        assert Path(file).name in notice
        assert (ROOT / file).stat().st_size < 300_000
        with Image.open(ROOT / file) as image:
            assert not image.getexif()


def test_it_is_the_image_of_the_data_set_unchanged() -> None:
    folder = shared("data", "chest_xray_native")
    (original,) = [one for one in find_samples(folder) if one.path.name == ORIGINAL]
    assert original.label == REFERENCE
    assert original.path.read_bytes() == (ROOT / EXAMPLE).read_bytes()
