"""The pinned requirements: complete, of one mind, and naming no place of their own."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PURPOSES = ("serving", "training", "development")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_everything_that_is_asked_for_is_pinned_with_hashes(purpose: str) -> None:
    asked = [Requirement(entry) for entry in PROJECT["dependencies"]]
    for extra in PURPOSES[1 : PURPOSES.index(purpose) + 1]:
        asked += [Requirement(entry) for entry in PROJECT["optional-dependencies"][extra]]
    names = {canonicalize_name(entry.name) for entry in asked} - {PROJECT["name"]}
    pins = pinned(purpose)
    assert names <= {name for name, _ in pins}
    assert all(pins.values()), "every pin needs a hash"


def test_all_purposes_pin_the_same_versions() -> None:
    serving, training, development = (set(pinned(purpose)) for purpose in PURPOSES)
    assert serving <= training <= development


def test_the_ray_engine_is_pinned_with_the_service() -> None:
    asked = {
        canonicalize_name(Requirement(entry).name)
        for entry in PROJECT["optional-dependencies"]["ray"]
    }
    pins = pinned("ray")
    assert asked <= {name for name, _ in pins}
    assert all(pins.values()), "every pin needs a hash"
    assert set(pinned("serving")) <= set(pins) <= set(pinned("development"))
    assert asked.isdisjoint({name for name, _ in pinned("serving")})


def test_the_node_is_pinned_alone_and_as_in_development() -> None:
    asked = {
        canonicalize_name(Requirement(entry).name)
        for entry in PROJECT["optional-dependencies"]["pacs"]
    }
    pins = pinned("pacs")
    names = {name for name, _ in pins}
    assert asked <= names
    assert all(pins.values()), "every pin needs a hash"
    assert set(pins) <= set(pinned("development"))
    assert names.isdisjoint({"fastapi", "onnxruntime", "uvicorn"})


def test_the_tools_are_pinned_with_hashes() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = {canonicalize_name(entry) for entry in asked["dependency-groups"]["tools"]}
    pins = pinned("tools")
    assert names <= {name for name, _ in pins}
    assert all(pins.values()), "every pin needs a hash"


@pytest.mark.parametrize("purpose", (*PURPOSES, "pacs", "ray", "tools"))
def test_no_package_index_is_named(purpose: str) -> None:
    text = (ROOT / "requirements" / f"{purpose}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE), "no options but hashes"


def pinned(purpose: str) -> dict[tuple[str, str], int]:
    """(Name, version with marker) of each pin -> how many hashes it has."""
    text = (ROOT / "requirements" / f"{purpose}.txt").read_text(encoding="utf-8")
    entries = re.findall(
        r"^([\w.-]+)(?:\[[\w,.-]+\])?==(.+?) \\\n((?: +--hash=.+\n)+)", text, re.MULTILINE
    )
    assert len(entries) == len(re.findall(r"^\w", text, re.MULTILINE)), "every line must be a pin"
    return {
        (canonicalize_name(name), version): len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", hashes))
        for name, version, hashes in entries
    }
