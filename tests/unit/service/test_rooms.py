"""What the code of each room may import."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[3] / "service"
MODULES = sorted(path.relative_to(SERVICE) for path in SERVICE.rglob("*.py"))

WEB = ("fastapi", "starlette", "uvicorn", "python_multipart", "httptools")
# from the bottom to the top: each may import those before it
ROOMS = ("imaging", "inference", "runtime", "http", "process")


@cache
def imported(module: Path) -> set[str]:
    """Full names of everything that a module imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse((SERVICE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_run_downwards(module: Path) -> None:
    room = module.parts[0]
    if room not in ROOMS:
        return
    above = ROOMS[ROOMS.index(room) + 1 :]
    wrong = {
        name for name in imported(module) if name.startswith(tuple(f"service.{r}" for r in above))
    }
    assert not wrong


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_only_http_and_process_know_the_web_framework(module: Path) -> None:
    if module.parts[0] in ("http", "process"):
        return
    assert not {name for name in imported(module) if name.split(".")[0] in WEB}


@pytest.mark.parametrize("room", ["imaging", "inference", "runtime", "predict", "commands", "pacs"])
def test_what_a_room_imports_brings_nothing_else_in(room: str) -> None:
    names = [
        ".".join(("service", *module.with_suffix("").parts)).removesuffix(".__init__")
        for module in MODULES
        if module.parts[0] == room
    ]
    program = (
        "import importlib, json, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = json.loads(run.stdout)
    above = ROOMS[ROOMS.index(room) + 1 :] if room in ROOMS else ()
    unwanted = (*WEB, *(f"service.{other}" for other in above))
    assert not [name for name in loaded if f"{name}.".startswith(tuple(f"{u}." for u in unwanted))]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_the_node_and_the_service_meet_over_http_alone(module: Path) -> None:
    names = {name for name in imported(module) if name.startswith("service.")}
    if module.parts[0] == "pacs":
        allowed = (
            "service.pacs",
            "service.environment",
            "service.errors",
            "service.process.logs",
        )
        names -= {"service.__version__", "service.cli.Subparsers"}
        assert not {name for name in names if not name.startswith(allowed)}
    else:
        assert not {name for name in names if name.startswith("service.pacs")}
