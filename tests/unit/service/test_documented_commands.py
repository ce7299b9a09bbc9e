"""The commands that the documents name: there are such commands, with such options."""

import re
from pathlib import Path

import pytest

from service.cli import main
from tests.process import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    ROOT / "models" / "MODEL_CARD.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
# in a block a line of its own, in prose between backquotes; `pneumonia` alone is no command
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROSE = re.compile(r"`([^`]*)`")
PNEUMONIA = re.compile(r"(?:^|[|(] |[ /`])pneumonia ([a-z]\w*\b[^|#>\n]*)")
MAKE = re.compile(r"(?:^|[ `])make ([a-z][a-z-]*)")


def commands(pattern: re.Pattern[str]) -> set[str]:
    """What the pattern finds in blocks and between backquotes, on one line."""
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        blocks = BLOCK.findall(text)
        prose = PROSE.findall(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
        for code in [line for block in blocks for line in block.splitlines()] + prose:
            found |= set(pattern.findall(" ".join(code.split())))
    return found


def test_every_command_of_make_is_there() -> None:
    named = commands(MAKE)
    assert len(named) > 20
    assert named <= set(
        re.findall(r"^([a-z-]+):", Path(ROOT, "Makefile").read_text(), re.MULTILINE)
    )


def test_every_command_and_option_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    named = sorted(commands(PNEUMONIA))
    assert len(named) > 40
    wrong = []
    for command in named:
        words, *_ = re.split(r"\s(?:--?[a-zA-Z]|\[)", command)
        with pytest.raises(SystemExit) as left:
            main([*words.split(), "--help"])
        shown = capsys.readouterr().out
        options = re.findall(r"(?<!\S)--[a-z][a-z0-9-]*\b", command)
        if left.value.code != 0 or not all(option in shown for option in options):
            wrong.append(command)
    assert not wrong
