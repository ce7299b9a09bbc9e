"""What the training commands say of folders and files that they cannot use."""

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest

from service.cli import main
from tests.dataset import write_dataset

# the record of the run that made the model that ships
SHIPPED = Path(__file__).parent.parent.parent.parent / "models" / "reports" / "run"
# Keras makes arrays of tensors in a way that numpy 2 warns of
keras_warns = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


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
        (["train", "--folds", "3", "--teachers", "none"], "There is no none/model.keras"),
        (["train"], "Fewer than 6 patients in one class"),
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


@keras_warns
def test_a_network_of_another_architecture_is_no_start(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(data), "--folds", "3", "--screen", "--phase", "32:0:1:0.001"]
    assert main(["train", *words, "--arch", "cnn", "--out", str(tmp_path / "first")]) == 0
    again = ["train", *words, "--start", str(tmp_path / "first"), "--out", str(tmp_path / "second")]
    assert main(again) == 1
    assert "first is no efficientnet_lite0" in capsys.readouterr().err


@keras_warns
def test_a_student_learns_its_teachers_predictions_and_not_the_labels(
    data: Path, tmp_path: Path
) -> None:
    words = ["train", str(data), "--folds", "3", "--screen", "--arch", "cnn"]
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    assert main([*words, "--phase", "32:0:1:1e-9", "--out", str(teacher)]) == 0
    stubborn = keras.models.load_model(teacher / "model.keras")
    kernel, _ = stubborn.get_layer("classifier").get_weights()
    stubborn.get_layer("classifier").set_weights([kernel * 0, np.array([0, 0, 9.0])])
    stubborn.save(teacher / "model.keras")
    learn = ["--phase", "32:0:8:0.1", "--average", "0", "--teachers", str(teacher)]
    assert main([*words, *learn, "--out", str(student)]) == 0
    with np.load(student / "validation.npz") as held_out:
        assert (held_out["logits"].argmax(axis=-1) == 2).all(), "whatever their labels"
    made = json.loads((student / "configuration.json").read_text())
    assert made["recipe"]["teachers"] == [str(teacher / "model.keras")]
    assert len(made["teachers_sha256"][0]) == 64
    assert made["recipe"]["label_smoothing"] == 0


@keras_warns
def test_several_starts_of_one_start_are_averaged(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(data), "--folds", "3", "--screen", "--arch", "cnn"]
    base, one, two, mean = (tmp_path / name for name in ("base", "one", "two", "mean"))
    phase = ["--phase", "32:0:1:0.01"]
    assert main([*words, *phase, "--out", str(base)]) == 0
    for seed, run in enumerate((one, two)):
        start = ["--start", str(base), "--seed", str(seed)]
        assert main([*words, *phase, *start, "--out", str(run)]) == 0
    still = ["--phase", "32:0:1:1e-12", "--average", "0", "--out", str(mean)]
    assert main([*words, *still, "--start", str(one), str(base)]) == 1
    assert "each has a --start" in capsys.readouterr().err
    assert main([*words, *still, "--start", str(one), str(two)]) == 0
    kernels = [
        keras.models.load_model(run / "model.keras").get_layer("conv3").get_weights()[0]
        for run in (one, two, mean)
    ]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-3
    np.testing.assert_allclose(kernels[2], (kernels[0] + kernels[1]) / 2, atol=1e-6)


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
