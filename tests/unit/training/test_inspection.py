"""What `pneumonia data` says of labelled images."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.cli import main
from tests.dataset import chest, write_dataset
from training import download
from training.data import find_samples
from training.duplicates import near_copies


def save(file: Path, image: Image.Image) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, quality=60)


def test_a_folder_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(tmp_path / "set", patients=3, images=2)
    write_dataset(tmp_path / "set", patients=1, images=1, part="validation", seed=1)
    assert main(["data", str(tmp_path / "set")]) == 0
    said = capsys.readouterr().out
    assert main(["data", "check", f"ward={tmp_path / 'set'}"]) == 0
    named = capsys.readouterr().out
    for part in (
        "folders by class in folders by part",
        "21 images of 9 patients",
        "disease (pneumonia): bacterial, viral; no disease: normal",
        "patients recognised: 21 images by the file name",
        "size in pixels: 160 x 160 to 160 x 160",
        "leak: 3 patients in both train and val",
    ):
        assert part in said
        assert part in named
    assert "sources: set 21" in said
    assert "sources: ward 21" in named
    rows = [line.split() for line in said.splitlines() if line.startswith("  ")]
    assert rows == [["train", "val", "all"]] + [
        [label, "6", "1", "7"] for label in ("normal", "bacterial", "viral")
    ]


def test_copies_and_what_several_parts_share_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for part in ("train", "test"):
        for label in ("COVID", "Normal"):
            for number in range(3):
                file = tmp_path / part / label / f"{label}-{part}-{number}.png"
                save(file, shadows(generator))
    first = Image.open(tmp_path / "train/COVID/COVID-train-0.png")
    save(tmp_path / "test/COVID/again.png", first)
    save(tmp_path / "test/Normal/smaller.jpg", first.resize((120, 120)))
    assert main(["data", "check", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "copies: 1 images are exact copies of others\n" in said
    assert "near copies: 2 pairs show nearly the same image" in said
    assert "leak: 1 images in both train and test" in said
    assert "leak: 1 pairs of nearly the same image in both train and test" in said
    assert "patients unknown: 14 images" in said
    save(tmp_path / "train/Normal/torn.png", first)
    assert main(["data", "check", str(tmp_path)]) == 0
    assert (
        "2 images are exact copies of others; 1 of them with different labels"
        in capsys.readouterr().out
    )


def test_different_images_are_no_near_copies() -> None:
    generator = np.random.default_rng(0)
    images = np.stack([np.asarray(shadows(generator)) for _ in range(12)])[..., np.newaxis]
    assert len(near_copies(images)) == 0
    noisy = np.clip(images[:1].astype(int) + 3, 0, 255).astype(np.uint8)
    assert near_copies(np.concatenate([images, noisy])).tolist() == [[0, len(images)]]


@pytest.mark.parametrize(
    ("files", "words", "says"),
    [
        (["TB/x.png"], [], "All images have one label (tb)"),
        (["TB/x.png", "COVID/y.png"], [], "Which of the labels covid, tb mean disease?"),
        (["TB/x.png", "Normal/y.png"], ["--positive", "flu"], "No image is labelled flu"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: list[str],
    words: list[str],
    says: str,
) -> None:
    for file in files:
        save(tmp_path / file, chest(np.random.default_rng(0), 0))
    assert main(["data", "check", str(tmp_path), *words]) == 1
    assert says in capsys.readouterr().err


def test_shortcuts_are_found_where_a_device_goes_with_the_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for number in range(24):
        for label, shade in (("TB", 40), ("Normal", 0)):
            image = np.asarray(chest(generator, 0)).astype(int) + shade
            save(tmp_path / "told" / label / f"{label}{number}.png", _grey(image))
            save(tmp_path / "untold" / label / f"{label}{number}.png", chest(generator, 0))
    out = tmp_path / "out"
    assert main(["data", "shortcuts", str(tmp_path / "told"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "by a model that sees only the image: 1.000" in said
    assert "Without any anatomy the classes can nearly be told apart" in said
    with Image.open(out / "right.png") as sheet:
        assert sheet.size == (12 * 96, 4 * 96)
    assert not (out / "wrong.png").exists(), "it gets none wrong"
    assert main(["data", "shortcuts", str(tmp_path / "untold")]) == 0
    assert "Without any anatomy" not in capsys.readouterr().out


def test_the_shape_of_lung_masks_is_measured_where_there_are_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for number in range(24):
        for label, height in (("TB", 40), ("Normal", 60)):
            save(tmp_path / "images" / label / f"{label}{number}.png", chest(generator, 0))
            mask = np.zeros((96, 96), np.uint8)
            mask[20 : 20 + height + number % 5, 20:76] = 255
            save(tmp_path / "masks" / f"{label}{number}.png", Image.fromarray(mask))
    words = ["data", "shortcuts", str(tmp_path / "images"), "--masks"]
    assert main([*words, str(tmp_path / "masks")]) == 0
    assert "sees only the place and shape of the lung masks: 1.000" in capsys.readouterr().out
    assert main([*words, str(tmp_path / "images" / "none")]) == 1
    assert "name each <image's name>.png" in capsys.readouterr().err


def test_plain_borders_are_counted_and_what_tells_without_them_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    for number in range(24):
        for label, bar in (("TB", 8 * (number % 2)), ("Normal", 8)):
            pixels = np.pad(generator.integers(0, 256, (64, 64), np.uint8), bar)
            save(tmp_path / label / f"{label}{number}.png", Image.fromarray(pixels))
    out = tmp_path / "out"
    assert main(["data", "shortcuts", str(tmp_path), "--out", str(out)]) == 0
    assert "images with plain borders: 50% with disease, 100% without" in capsys.readouterr().out
    told = json.loads((out / "shortcuts.json").read_text())["auroc"]
    assert told["image without plain borders"]["value"] != told["image"]["value"]


def test_too_few_patients_for_shortcuts_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path, patients=1)
    assert main(["data", "shortcuts", str(tmp_path)]) == 1
    assert "needs two patients or more of each class" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["kaggle", "mendeley"])
def test_a_download_without_a_network_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def unreachable(*_: object, **__: object) -> BytesIO:
        raise OSError("no route to host")

    monkeypatch.setattr("socket.create_connection", unreachable)
    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    assert main(["data", "download", str(tmp_path), "--from", place]) == 1
    said = capsys.readouterr().err
    assert f"could not be fetched from {place}" in said
    assert "fetch them elsewhere from https://" in said
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "chest_xray").mkdir()
    assert main(["data", "download", str(tmp_path), "--from", place]) == 1
    assert "is there already" in capsys.readouterr().err


def test_what_is_downloaded_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(out: Path) -> None:
        write_dataset(out / "chest_xray", patients=1)

    monkeypatch.setitem(download._FROM, "kaggle", fetched)
    folder = download.download("kaggle", tmp_path / "data")
    assert len(find_samples(folder)) == 6


def shadows(generator: np.random.Generator) -> Image.Image:
    """An image like no other."""
    return _grey(generator.uniform(0, 255, (8, 8))).resize((160, 160), Image.Resampling.BICUBIC)


def _grey(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
