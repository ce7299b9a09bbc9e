"""Out-of-distribution images, with a model that accepts what is mid-grey."""

import json
from pathlib import Path

import pytest

from tests.images import image_bytes
from tests.tiny_model import write_tiny_model
from training.data import DataError
from training.out_of_distribution import OUT_OF_DISTRIBUTION_FILE, score_out_of_distribution


def test_refused_images_are_counted_and_other_files_are_skipped(
    tiny_model: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, grey in enumerate((128, 250, 255)):
        (images / f"{number}.png").write_bytes(image_bytes(grey, kind="PNG"))
    (images / "small.png").write_bytes(image_bytes(size=(20, 20), kind="PNG"))
    (images / "notes.txt").write_text("no image")
    rate, skipped = score_out_of_distribution(tiny_model, images, tmp_path / "out")
    assert rate.value == 0.75
    # exact interval of 3 of 4
    assert rate.low == pytest.approx(0.194, abs=1e-3)
    assert rate.high == pytest.approx(0.994, abs=1e-3)
    report = json.loads((tmp_path / "out" / OUT_OF_DISTRIBUTION_FILE).read_text())
    assert (report["source"], report["images"]) == ("images", 4)
    assert report["nearest_of_limit"] < 1
    assert [line.split(":")[0] for line in skipped] == ["notes.txt"]


def test_what_cannot_be_counted_is_said(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image"):
        score_out_of_distribution(tiny_model, tmp_path, tmp_path)
    write_tiny_model(tmp_path / "open.onnx", distance=False)
    with pytest.raises(DataError, match="no input check"):
        score_out_of_distribution(tmp_path / "open.onnx", tmp_path, tmp_path)
