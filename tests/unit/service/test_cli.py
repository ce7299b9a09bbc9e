"""The command line."""

import importlib
import json
import sys
import tomllib
from pathlib import Path

import pytest

from service import __version__, cli
from service.cli import COMMANDS, Command, main
from tests.pictures import picture

ROOT = Path(__file__).parent.parent.parent.parent


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out.strip() == __version__ == project["version"]


def test_help_names_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    modules = {command.module for command in COMMANDS}
    for module in modules:
        sys.modules.pop(module, None)
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert all(command.name in text for command in COMMANDS)
    assert not modules & sys.modules.keys()


def test_predict_answers_as_http_does(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bright.jpg").write_bytes(picture(grey=170))
    (tmp_path / "dark.png").write_bytes(picture(grey=70, kind="PNG"))
    files = [str(tmp_path / "bright.jpg"), str(tmp_path / "dark.png")]
    assert main(["predict", "--model", str(tiny_model), *files]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["file"], first["decision"]) == (files[0], "pneumonia")
    assert (second["file"], second["decision"]) == (files[1], "normal")
    from service.http.schemas import PredictionAnswer

    assert first.keys() == {"file", *PredictionAnswer.model_fields} - {"uids"}


def test_predict_goes_on_after_a_bad_file(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "note.txt").write_text("no image")
    (tmp_path / "good.jpg").write_bytes(picture(grey=110))
    files = [str(tmp_path / name) for name in ("note.txt", "missing.jpg", ".", "good.jpg")]
    point = ["--operating-point", "screening"]
    assert main(["predict", "--model", str(tiny_model), *point, *files]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == files
    codes = [line.get("code") for line in lines]
    assert codes == ["unsupported_type", "invalid_request", "invalid_request", None]
    assert "No such file" in lines[1]["detail"]
    assert lines[3]["decision"] == "pneumonia"


def test_predict_reads_no_more_than_is_allowed(
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PNEUMONIA_MAX_BYTES", "1024")
    (tmp_path / "large.jpg").write_bytes(picture())
    assert main(["predict", "--model", str(tiny_model), str(tmp_path / "large.jpg")]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "too_large"


def one_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("pneumonia predict: ")
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_a_model_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--model", "missing.onnx", "x.jpg"]) == 1
    one_line(capsys, "cannot read the model file")


def test_a_wrong_setting_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMONIA_MAX_PIXELS", "many")
    assert main(["predict", "x.jpg"]) == 1
    one_line(capsys, "PNEUMONIA_MAX_PIXELS")


def test_a_missing_package_names_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name}", name="tensorflow")

    monkeypatch.setattr(importlib, "import_module", missing)
    assert main(["train"]) == 1
    error = capsys.readouterr().err
    assert "tensorflow" in error
    assert "requirements/training.txt" in error
    assert (ROOT / "requirements" / "training.txt").exists()


def test_a_command_that_a_container_lacks_comes_with_a_checkout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Command("dream", "", "absent.commands", "training")
    monkeypatch.setattr(cli, "COMMANDS", (command,))
    assert main(["dream"]) == 1
    assert "checkout" in capsys.readouterr().err


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["dream"])
    assert left.value.code == 2
    assert "dream" in capsys.readouterr().err


@pytest.mark.parametrize("command", [command for command in COMMANDS if not command.extra])
def test_commands_follow_the_convention(command: Command) -> None:
    module = importlib.import_module(command.module)
    assert callable(getattr(module, command.name))
    added = getattr(module, "register", None) or getattr(module, f"{command.name}_arguments")
    assert callable(added)
