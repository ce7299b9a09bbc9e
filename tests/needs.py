"""What a test needs beyond Python: skipped with the reason where it is missing, never in CI."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from service.settings import DEFAULT_MODEL

SHARED = Path(__file__).parent.parent.parent / "shared"


def program(name: str, package: str | None = None) -> str:
    """The path of an installed program.

    Args:
        name: the program, looked up on the PATH and where Debian keeps servers.
        package: the Debian package that has it, where it is called otherwise.
    """
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        missing(f"needs {name}: apt-get install {package or name}")
    return path


def root() -> None:
    """The test needs to be root."""
    if os.geteuid() != 0:
        missing("needs root")


def shared(*parts: str) -> Path:
    """A file or folder beside the checkout; only some machines have it, so CI may skip too."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {Path('..', 'shared', *parts)}")
    return path


def shipped_model() -> Path:
    """The model file that comes with the repository."""
    if not DEFAULT_MODEL.exists():
        missing(f"needs {DEFAULT_MODEL.name}")
    return DEFAULT_MODEL


def missing(reason: str) -> NoReturn:
    """Skip the test, but fail it in CI, which must have everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
