"""The command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from service import __version__, cli
from service.cli import COMMANDS, Command, main

ROOT = Path(__file__).parent.parent.parent.parent


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out.strip() == __version__


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


def _command(monkeypatch: pytest.MonkeyPatch, module: str, extra: str | None) -> None:
    monkeypatch.setattr(cli, "COMMANDS", (Command("dream", "", module, extra),))


def test_a_missing_package_names_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dreams.py").write_text(
        "def register(subparsers):\n"
        "    subparsers.add_parser('dream').set_defaults(run=run)\n"
        "def run(arguments):\n"
        "    import pillows\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    _command(monkeypatch, "dreams", "training")
    assert main(["dream"]) == 1
    error = capsys.readouterr().err
    assert "the package pillows is missing" in error
    assert "requirements/training.txt" in error
    assert (ROOT / "requirements" / "training.txt").exists()
    _command(monkeypatch, "dreams", None)
    with pytest.raises(ModuleNotFoundError):
        main(["dream"])


def test_a_command_that_a_container_lacks_comes_with_a_checkout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _command(monkeypatch, "absent.commands.dream", "training")
    assert main(["dream"]) == 1
    assert "checkout" in capsys.readouterr().err


def test_ctrl_c_ends_any_command_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sleeps.py").write_text(
        "def register(subparsers):\n"
        "    subparsers.add_parser('dream').set_defaults(run=run)\n"
        "def run(arguments):\n"
        "    raise KeyboardInterrupt\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    _command(monkeypatch, "sleeps", None)
    assert main(["dream"]) == 130
    assert capsys.readouterr().err == "\npneumonia dream: interrupted\n"


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["dream"])
    assert left.value.code == 2
    assert "dream" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_and_usage_errors_of_a_command_import_no_framework(command: Command) -> None:
    """In a process of its own, since other tests import TensorFlow."""
    script = (
        "import sys\n"
        "from service.cli import main\n"
        "codes = []\n"
        "for option in ('--help', '--dream'):\n"
        "    try:\n"
        f"        main(['{command.name}', option])\n"
        "    except SystemExit as left:\n"
        "        codes.append(left.code)\n"
        "slow = {'keras', 'tensorflow', 'sklearn', 'pydicom', 'matplotlib', 'pynetdicom'}\n"
        "print(codes, sorted(slow & sys.modules.keys()))\n"
    )
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[0, 2] []"
