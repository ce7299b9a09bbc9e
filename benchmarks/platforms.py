"""For which platforms the pinned packages of the service can be had, without building any.

uv is asked, which looks at the package index alone: nothing is installed, and nothing is tried on
these platforms.
"""

import os
import re
import subprocess
import sys
from typing import Any

from benchmarks.options import Options
from training.reports.files import ROOT

# of glibc and macOS the oldest that ONNX Runtime's packages take
PLATFORMS = {
    "Linux, x86-64, glibc 2.28 or newer": "x86_64-manylinux_2_28",
    "Linux, ARM64, glibc 2.28 or newer": "aarch64-manylinux_2_28",
    "Linux with musl (Alpine), x86-64": "x86_64-unknown-linux-musl",
    "macOS 14 or newer, Apple silicon": "aarch64-apple-darwin",
    "macOS 14 or newer, Intel": "x86_64-apple-darwin",
    "Windows, x86-64": "x86_64-pc-windows-msvc",
    "Windows, ARM64": "aarch64-pc-windows-msvc",
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_MISSING = re.compile(r"Because (\S+)==\S+ has no")


def measure(_options: Options) -> dict[str, Any]:
    """The figures of ``platforms.json``: per platform and Python the first package it lacks."""
    rows = [
        {"platform": name, "lacks": {python: first_missing(target, python) for python in PYTHONS}}
        for name, target in PLATFORMS.items()
    ]
    return {"rows": rows}


def first_missing(target: str, python: str) -> str | None:
    """The first package of the service that has no wheel; None where all have one.

    Args:
        target: a platform as uv calls it.
        python: its version, such as 3.13.

    Raises:
        RuntimeError: uv failed for another reason, such as a missing network.
    """
    command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes"]
    command += ["--target", str(ROOT / "build" / "nothing")]
    command += ["--python-platform", target, "--python-version", python]
    command += ["-r", str(ROOT / "requirements" / "serving.txt")]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode == 0:
        return None
    missing = _MISSING.search(" ".join(result.stderr.split()))
    if missing is None:
        raise RuntimeError(result.stderr)
    return missing[1]
