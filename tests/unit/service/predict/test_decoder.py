"""Images are read in a process of its own: what kills or holds it up costs itself alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.imaging.radiograph import Limits
from service.imaging.reader import ReadImage
from service.predict.decoder import Decoder
from service.predict.reading import problem
from tests.images import image_bytes

# what a fault in a codec would do, where an image holds these bytes
_SITECUSTOMIZE = """
import os, time, PIL.Image
_open = PIL.Image.open
def open(file, *args, **kwargs):
    if b"abort" in file.getvalue():
        os.abort()
    if b"sleep" in file.getvalue():
        time.sleep(1000)
    return _open(file, *args, **kwargs)
PIL.Image.open = open
"""


@pytest.fixture
def decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoder]:
    (tmp_path / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    decoder = Decoder((224, 224, "bilinear", Limits()))
    yield decoder
    decoder.close()


def with_comment(comment: bytes) -> bytes:
    """A JPEG image whose comment is this."""
    image = image_bytes()
    return image[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + image[2:]


def code(answer: ReadImage | dict[str, Any]) -> object:
    return answer["code"] if isinstance(answer, dict) else None


def test_a_file_that_kills_its_reader_is_known_by_it(decoder: Decoder) -> None:
    good = decoder.read("good", image_bytes(size=(320, 256)))
    assert isinstance(good, ReadImage)
    assert good.pixels.shape == (224, 224, 1)
    assert (good.radiograph.width, good.radiograph.height) == (320, 256)
    assert code(decoder.read("cut", image_bytes()[:2000])) == "undecodable_image"
    killer = decoder.read("killer", with_comment(b"abort"))
    assert isinstance(killer, dict)
    assert (killer["file"], killer["code"]) == ("killer", "reader_died")
    assert code(decoder.read("next", with_comment(b"harmless"))) is None


def test_a_file_that_holds_its_reader_up_is_given_up(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code(decoder.read("good", image_bytes())) is None
    monkeypatch.setattr("service.predict.decoder._PATIENCE_SECONDS", 0.5)
    assert code(decoder.read("sleeper", with_comment(b"sleep"))) == "reader_died"
    monkeypatch.undo()
    assert code(decoder.read("next", image_bytes())) is None


def test_what_could_not_be_fetched_is_passed_on(decoder: Decoder) -> None:
    lost = problem("lost", "unreadable_file", "Not there.")
    assert decoder.read("lost", lost) is lost
