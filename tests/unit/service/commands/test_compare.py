"""`pneumonia compare`: what changes between two model files."""

import csv
import json
from pathlib import Path

import pytest

from service.cli import main
from tests.images import image_bytes
from tests.tiny_model import write_tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Bright and dark images, one that only a looser check takes, and a file that is no image."""
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for name, grey in (("dark.png", 70), ("grey.png", 110), ("bright.png", 170)):
        (folder / name).write_bytes(image_bytes(grey=grey, kind="PNG"))
    (folder / "sub" / "white.png").write_bytes(image_bytes(grey=255, kind="PNG"))
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden").write_text("not looked at")
    return folder


@pytest.fixture
def after(tmp_path: Path, tiny_model: Path) -> Path:
    """The same network with a lower threshold and no limit that matters."""
    from service.inference.model import OnnxModel

    contract = OnnxModel(tiny_model).contract
    points = tuple(
        point.model_copy(update={"threshold": 0.3}) if point.name == "balanced" else point
        for point in contract.operating_points
    )
    path = tmp_path / "after.onnx"
    write_tiny_model(path, limit=0.9, version="2.0", operating_points=points)
    return path


def test_it_says_what_changes(
    tiny_model: Path,
    after: Path,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = ["--json", str(tmp_path / "out.json"), "--csv", str(tmp_path / "out.csv")]
    assert main(["compare", str(tiny_model), str(after), str(folder), *files]) == 0
    text = capsys.readouterr().out
    assert "2 of 5 images change:" in text
    assert "sub/white.png: refused (not_a_chest_xray) -> pneumonia" in text
    assert "grey.png: normal" in text

    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["images"], report["changed"]) == (5, 2)
    assert (report["before"]["version"], report["after"]["version"]) == ("1.0", "2.0")
    assert report["decisions"]["normal"] == {
        "pneumonia": 1,
        "uncertain": 0,
        "normal": 1,
        "refused": 0,
    }
    assert report["refused_only"] == {"before": 1, "after": 0, "both": 1}
    assert report["differences"]["images"] == 3
    assert report["differences"]["largest"] == 0, "the same network"
    assert report["time"] > 0
    assert "time to read and compute: B takes " in text

    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == [
        "bright.png",
        "dark.png",
        "grey.png",
        "notes.txt",
        "sub/white.png",
    ]
    assert [row["changed"] for row in rows] == ["False", "False", "True", "False", "True"]
    assert rows[3]["code_before"] == rows[3]["code_after"] == "unsupported_type"
    assert float(rows[4]["distance_before"]) > 0.45
    assert (rows[4]["probability_before"], rows[4]["code_after"]) == ("", "")


def test_a_model_with_itself_changes_nothing(
    tiny_model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(tiny_model), str(tiny_model), str(folder)]) == 0
    assert "0 of 5 images change:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("point", "place", "words"),
    [("dreamed", "", "no operating point"), ("balanced", "sub/none", "not a folder with images")],
)
def test_what_cannot_be_compared_is_one_line(
    tiny_model: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    point: str,
    place: str,
    words: str,
) -> None:
    model, images = str(tiny_model), str(folder / place)
    assert main(["compare", model, model, images, "--operating-point", point]) == 1
    error = capsys.readouterr().err
    assert error.startswith("pneumonia compare: ")
    assert words in error
    assert error.count("\n") == 1
