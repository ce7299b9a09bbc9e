"""`pneumonia predict` as a process among others: pipes and signals."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dicom import file_bytes, radiograph, shadows
from tests.images import image_bytes
from tests.process import ROOT
from tests.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Enough images that no pipe holds all their lines."""
    folder = tmp_path / "images"
    folder.mkdir()
    data = image_bytes(grey=170, size=(80, 64))
    for number in range(400):
        (folder / f"{number:03}.jpg").write_bytes(data)
    return folder


def command(model: Path, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", "service", "predict", "--model", str(model), *map(str, words)]


def test_a_reader_that_has_enough_ends_it_in_silence(tiny_model: Path, folder: Path) -> None:
    with subprocess.Popen(
        command(tiny_model, folder),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["decision"] == "pneumonia"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(PATIENCE_SECONDS) == 141


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_an_interrupt_leaves_whole_lines_to_go_on_from(
    tiny_model: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers.jsonl"
    words = command(tiny_model, "--out", out, folder)
    with subprocess.Popen(
        words,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background jobs, of which pytest may be one, ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        wait_until(lambda: out.exists() and out.stat().st_size > 0, "the first line")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        assert process.wait(PATIENCE_SECONDS) == 130
    lines = out.read_text().splitlines()
    assert 0 < len(lines) < 400
    assert all(json.loads(line)["decision"] for line in lines)
    subprocess.run([*words, "--resume"], cwd=ROOT, check=True, capture_output=True)
    found = [Path(json.loads(line)["file"]).name for line in out.read_text().splitlines()]
    assert found == sorted(path.name for path in folder.iterdir())


def test_the_commands_of_its_page_run(tiny_model: Path, folder: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    (script,) = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    site = tmp_path / "site"
    shutil.copytree(folder, site / "archive")
    (site / "in" / "today").mkdir(parents=True)
    (site / "chest.jpg").write_bytes(image_bytes(grey=170))
    for place in (site, site / "in" / "today"):
        (place / "chest.dcm").write_bytes(file_bytes(radiograph(shadows())))
    (site / "pneumonia").write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m service "$@"\n'
    )
    (site / "pneumonia").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{site}:{os.environ['PATH']}",
        "PNEUMONIA_MODEL": str(tiny_model),
    }
    result = subprocess.run(
        ["sh", "-ec", script], cwd=site, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 2
    assert (site / "answers.jsonl").read_text().count("\n") == len(list(folder.iterdir()))
    assert (site / "answers.csv").read_text().count("\n") == 2
