"""What the training commands say of folders and files that they cannot use."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from service.cli import main
from tests.dataset import write_dataset

SHIPPED = Path(__file__).parent.parent.parent.parent / "models" / "reports" / "run"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands") / "data"
    write_dataset(folder, patients=3, images=1)
    return folder


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "--fold", "6"], "--fold lie from 0 to 5"),
        (["train", "--folds", "1"], "--folds must be at least 2"),
        (["train", "--folds", "3", "--start", "none"], "There is no none/configuration.json"),
        (["train", "--folds", "3", "--teachers", "none"], "There is no none/configuration.json"),
        (["train"], "Fewer than 4 patients in one class"),
        (["evaluate", "none.keras", "--part", "train"], "There is no model file none.keras"),
        (["evaluate", "none.onnx", "--part", "train"], "There is no model file none.onnx"),
        (
            ["evaluate", "none.keras", "--audit"],
            "--audit and --out-of-distribution need an .onnx file",
        ),
        (
            ["evaluate", "none.onnx", "--out-of-distribution", "none"],
            "There is no folder none of images",
        ),
        (["evaluate", "none.onnx", "--only", "none.txt"], "There is no file none.txt"),
        (["evaluate", "none.onnx"], "has no part named test; its parts are train. Name one with"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str], says: str
) -> None:
    command, *rest = words
    out = tmp_path / "out"
    given = [str(data), *rest] if command == "train" else [rest[0], str(data), *rest[1:]]
    assert main([command, *given, "--out", str(out)]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"pneumonia {command}: ")
    assert says in line
    assert not out.exists()


@pytest.mark.parametrize("option", ["--start", "--teachers"])
def test_a_run_that_learnt_from_what_is_held_out_is_not_learnt_from(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    start = tmp_path / "start"
    start.mkdir()
    (start / "model.keras").touch()
    out = tmp_path / "out"
    words = ["train", str(data), "--folds", "3", option, str(start), "--out", str(out)]
    assert main(words) == 1
    assert "start/configuration.json" in capsys.readouterr().err
    (start / "configuration.json").write_text('{"recipe": {}}')
    assert main(words) == 1
    assert "start/configuration.json: labels: Field required" in capsys.readouterr().err
    (start / "configuration.json").write_bytes((SHIPPED / "configuration.json").read_bytes())
    assert main(words) == 1
    assert "learnt from images that this run holds out" in capsys.readouterr().err
    assert not out.exists()


def test_files_that_are_no_images_are_named_and_left_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    write_dataset(folder, patients=2, images=1)
    normal, pneumonia = folder / "train" / "NORMAL", folder / "train" / "PNEUMONIA"
    (normal / "empty.jpeg").touch()
    (pneumonia / "person9_virus_1.jpeg").write_text("no image")
    whole = next(pneumonia.iterdir()).read_bytes()
    (pneumonia / "person9_virus_2.jpeg").write_bytes(whole[: len(whole) // 2])
    assert main(["data", str(folder)]) == 0
    said = capsys.readouterr().out
    for name in ("empty.jpeg", "person9_virus_1.jpeg", "person9_virus_2.jpeg"):
        assert f"{name}: " in said
    assert "6 images of 6 patients" in said


def test_a_sheet_of_augmented_images_goes_where_it_is_told(data: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "new" / "sheet"
    assert main(["train", str(data), "--preview", str(sheet)]) == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_without_a_test_part_what_the_run_held_out_is_scored(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = ["data/IM-0000-0000.jpeg", "data/person1_virus_0.jpeg", "elsewhere/x.jpeg"]
    (tmp_path / "validation.txt").write_text("\n".join(held_out) + "\n")
    words = ["evaluate", str(tmp_path / "model.keras"), str(data), "--out", str(tmp_path / "out")]
    assert main(words) == 1
    said = capsys.readouterr()
    assert "Scoring the 2 images that the run held out" in said.out
    assert "There is no model file" in said.err


def test_two_data_sets_of_one_name_are_told_apart_by_the_user(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "data", patients=3, images=1, seed=1)
    words = ["train", str(data), "--preview", str(tmp_path / "sheet.png"), "--also"]
    assert main([*words, str(tmp_path / "data")]) == 1
    assert "Two data sets are called data; give one another name" in capsys.readouterr().err
    assert main([*words, f"other={tmp_path / 'data'}"]) == 0


def test_training_says_what_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(tmp_path / "set", patients=3, images=1)
    (tmp_path / "set" / "extra").mkdir()
    (tmp_path / "set" / "extra" / "image.png").touch()
    assert main(["train", str(tmp_path / "set"), "--preview", str(tmp_path / "sheet.png")]) == 0
    assert "extra is not part of the data set and was left out." in capsys.readouterr().out
