"""The bundle for a machine without internet: made by its own command, tried with nothing else."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from service import __version__
from tests import needs
from tests.process import ROOT, make

# the loopback interface is all that is there, so the port is always free
SERVE_AND_ASK = """
set -eu
cd /mnt
./install.sh
./pneumonia serve &
venv/bin/python - <<'END'
import time, urllib.request
end = time.monotonic() + 120
while time.monotonic() < end:
    try:
        urllib.request.urlopen("http://127.0.0.1:8000/health")
        break
    except OSError:
        time.sleep(0.1)
image = open("service/web/example.jpg", "rb").read()
request = urllib.request.Request(
    "http://127.0.0.1:8000/predict", image, {"Content-Type": "image/jpeg"}
)
print("answer:", urllib.request.urlopen(request).read().decode())
END
kill -TERM $!
wait $!
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as it arrives: its archive, unpacked elsewhere."""
    for tool in ("zensical", "cyclonedx-py"):
        if not (ROOT / ".tools" / "bin" / tool).exists():
            needs.missing(f"needs {tool}: use `make test`")
    needs.shipped_model()
    built, arrived = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("arrived")
    make("bundle", f"BUILD={built}")
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(arrived, filter="data")
    (folder,) = arrived.iterdir()
    return folder


def alone(bundle: Path, script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a script where the bundle is at /mnt, without network, checkout and pip's settings."""
    command = [
        *(needs.program("bwrap", "bubblewrap"), "--unshare-all", "--die-with-parent"),
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),  # noqa: S108
        *("--tmpfs", str(ROOT), "--bind", str(bundle), "/mnt", "--clearenv"),
        *("--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin"),
        *("--setenv", "PIP_CONFIG_FILE", os.devnull),
        *("--setenv", "PYTHON", str(Path(sys.base_prefix, "bin", "python3"))),
        *(word for name, value in environment.items() for word in ("--setenv", name, value)),
        *("sh", "-c", script),
    ]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_installs_and_answers_without_internet(bundle: Path) -> None:
    result = alone(bundle, SERVE_AND_ASK)
    assert result.returncode == 0, result.stdout + result.stderr
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("answer: "))
    answer = json.loads(line.removeprefix("answer: "))
    shown = json.loads((ROOT / "models" / "reports" / "answer.json").read_text())
    assert answer["decision"] == shown["answer"]["decision"]
    assert answer["input_check"]["accepted"]


def test_it_says_what_is_inside(bundle: Path) -> None:
    content = json.loads((bundle / "sbom.json").read_text())
    product = content["metadata"]["component"]
    assert (product["name"], product["version"]) == ("pneumonia-detection", __version__)
    listed = {
        (entry["name"].replace("-", "_").lower(), entry["version"])
        for entry in content["components"]
    }
    wheels = {tuple(file.name.lower().split("-")[:2]) for file in (bundle / "wheels").iterdir()}
    assert wheels
    assert wheels <= listed


def test_another_python_is_told_which_one_it_takes(bundle: Path) -> None:
    other = "printf '#!/bin/sh\\necho cp399\\n' > /tmp/other && chmod +x /tmp/other"
    result = alone(bundle, f"{other} && PYTHON=/tmp/other /mnt/install.sh")
    assert result.returncode == 1
    version = ".".join(map(str, sys.version_info[:2]))
    assert f"this bundle is for Python {version}" in result.stderr


def test_damage_is_noticed(bundle: Path) -> None:
    model = bundle / "models" / "pneumonia.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        result = alone(bundle, "/mnt/install.sh")
    finally:
        model.write_bytes(whole)
    assert result.returncode == 1
    assert "models/pneumonia.onnx" in result.stdout + result.stderr
    assert "copy the bundle again" in result.stderr
