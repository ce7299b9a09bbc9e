"""One version wherever it is named, and workflows that call the project's own commands."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service import __version__
from tests.process import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMMANDS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def made(script: str) -> list[str]:
    """The commands of the Makefile that a script calls."""
    return re.findall(r"^\s*make ([a-z-]+)", script, re.MULTILINE)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: str(file.name))
def test_workflows_call_the_projects_own_commands(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"]
    scripts = [step["run"] for step in steps(workflow) if "run" in step]
    called = {command for script in scripts for command in made(script)}
    assert called or ".ci/run" in scripts
    assert called <= COMMANDS
    for step in steps(workflow):
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))


def test_ci_runs_what_a_contributor_runs() -> None:
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert ".ci/run" in [step.get("run") for step in steps(ci)]
    assert made((ROOT / ".ci" / "run").read_text()) == ["check", "test"]


def test_the_version_is_the_same_wherever_it_is_named() -> None:
    tag = r"(?:pneumonia-detection(?:-pacs)?:|newTag: )([0-9]+\.[0-9]+\.[0-9]+)"
    files = [*(ROOT / "deploy").rglob("*.y*ml"), *(ROOT / "docs").rglob("*.md")]
    named = {version for file in files for version in re.findall(tag, file.read_text())}
    assert named == {__version__}
    project = (ROOT / "pyproject.toml").read_text()
    assert not re.search(r"^version\s*=", project, re.MULTILINE)
