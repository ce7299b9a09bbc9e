"""Wrong arguments are told at once: before TensorFlow, which takes tens of seconds to load."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.cli import main
from tests.process import ROOT

WRONG = (
    (["train", "--epochs", "0"], "epochs of a phase is 0; it must be at least 1"),
    (["train", "--epochs", "many"], "argument --epochs: invalid int value: 'many'"),
    (["train", "--size", "20"], "size of a phase is 20; it must be 32 to 1024 pixels"),
    (["train", "--rate", "5"], "rate of a phase is 5.0; it must be above 0 and below 1"),
    (["train", "--frozen", "3"], "frozen of a phase is 3.0; it must be a share of the layers"),
    (["train", "--batch", "0"], "Batch is 0; it must be at least 1"),
    (["train", "--patience", "0"], "Patience is 0; it must be at least 1"),
    (["train", "--area", "1", "0.5"], "Area is (1.0, 0.5); it must be two numbers above 0"),
    (["train", "--tone", "2"], "Tone is 2.0; it must be 0 to 1"),
    (["train", "--average", "1"], "Average is 1.0; it must be from 0 to below 1"),
    (["train", "--phase", "160:0:8"], "'160:0:8' is not SIZE:FROZEN:EPOCHS:RATE"),
    (["train", "--phase", "160:0:1:0.1", "--phase", "160:0:1:0.1", "--size", "64"], "of each in"),
    (["train", "--fold", "6"], "--fold lie from 0 to 5"),
    (["train", "--folds", "1"], "--folds must be at least 2"),
    (["train", "--limit", "0"], "--limit must be at least 1"),
    (["train", "--also-times", "0"], "--also-times must be at least 1"),
    (["train", "nowhere"], "There is no folder nowhere"),
    (["train", "--also", "nowhere"], "There is no folder nowhere"),
    (["train", "--start", "none"], "There is no none/configuration.json"),
    (["train", "--teachers", "none"], "There is no none/configuration.json"),
    (["train", "--arch", "cnn", "--weights", "imagenet"], "There are no ImageNet weights for cnn"),
    (["train", "--weights", "none.h5"], "There is no file none.h5 of weights"),
    (["train", "--weights", "random", "--frozen", "0.5"], "Random weights must be trained"),
    (["train", "--recipe", "none.toml"], "none.toml cannot be read"),
    (["train", "--resume", "none"], "none holds no run to resume"),
    (["export", "none", "--out", "x.onnx"], "none is not a run folder"),
    (["export", "none", "--out", "x.keras"], "'x.keras' must end in .onnx"),
    (["export", "none", "--out", "x.onnx", "--ages", "100", "18"], "the youngest age comes first"),
    (["export", "none", "--out", "x.onnx", "--ages", "-1", "18"], "--ages"),
    (["export", "none", "--out", "x.onnx", "--ages", "1", "200"], "'200' is not an age in years"),
    (["export", "none", "--out", "x.onnx", "--name", "a b"], "'a b' must be up to 64 letters"),
    (["export", "none", "--out", "a b.onnx"], "give one with --name"),
    (["export", "none", "--out", "x.onnx", "--model-version", "?"], "'?' must be up to 64"),
    (["calibrate", "x.onnx", "none", "--out", "x.txt"], "'x.txt' must end in .onnx"),
)


def _said(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    try:
        assert main([*words]) == 1
    except SystemExit as left:
        assert left.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"), WRONG, ids=[" ".join(words).replace("/", "") for words, _ in WRONG]
)
def test_the_error_says_what_is_wrong(
    words: Sequence[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    said = _said(words, capsys)
    assert says in said
    assert "Traceback" not in said
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_none_of_them_waits_for_tensorflow(tmp_path: Path) -> None:
    """In a process of its own, since other tests import TensorFlow."""
    (tmp_path / "data").mkdir()
    script = (
        "import sys\n"
        "from service.cli import main\n"
        f"for words in {[words for words, _ in WRONG]!r}:\n"
        "    try:\n"
        "        main(words)\n"
        "    except SystemExit:\n"
        "        pass\n"
        "    loaded = {'keras', 'tensorflow', 'sklearn'} & sys.modules.keys()\n"
        "    assert not loaded, (words, loaded)\n"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_export_is_tensorflows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("configuration.json", "model.keras", "validation.npz"):
        (tmp_path / name).touch()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    said = _said(["export", str(tmp_path), "--out", "x.onnx"], capsys)
    assert "leave KERAS_BACKEND unset" in said
