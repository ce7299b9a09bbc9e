"""Small networks really trained, one from another."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from service.cli import main
from tests.dataset import write_dataset

# Keras makes arrays of tensors in a way that numpy 2 warns of
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training") / "data"
    write_dataset(folder, patients=3, images=1)
    return folder


def test_a_network_of_another_architecture_is_no_start(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(data), "--folds", "3", "--screen", "--phase", "32:0:1:0.001"]
    assert main(["train", *words, "--arch", "cnn", "--out", str(tmp_path / "first")]) == 0
    again = ["train", *words, "--start", str(tmp_path / "first"), "--out", str(tmp_path / "second")]
    assert main(again) == 1
    assert "first is not of architecture efficientnet_lite0" in capsys.readouterr().err


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
    learn = ["--phase", "32:0:30:0.01", "--average", "0", "--teachers", str(teacher)]
    assert main([*words, *learn, "--out", str(student)]) == 0
    with np.load(student / "validation.npz") as held_out:
        assert (held_out["logits"].argmax(axis=-1) == 2).all(), "whatever their labels"
    made = json.loads((student / "configuration.json").read_text())
    assert made["recipe"]["teachers"] == [str(teacher / "model.keras")]
    assert len(made["teachers_sha256"][0]) == 64
    assert made["recipe"]["label_smoothing"] == 0


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
