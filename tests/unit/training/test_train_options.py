"""Every option of `pneumonia train` decides something of the run."""

import argparse
import re
from pathlib import Path

import pytest

from training.commands.train_options import add_options, read_options
from training.configuration import Selection
from training.recipe import Recipe

# an option, and a value that is not its default
VALUES = {
    "--also": "other",
    "--also-times": "2",
    "--folds": "3",
    "--fold": "1",
    "--all": None,
    "--block": "1",
    "--cluster": "1",
    "--conflicting-times": "2",
    "--positive": "tb",
    "--finding": "tuberculosis",
    "--limit": "9",
    "--arch": "resnet50",
    "--weights": "random",
    "--epochs": "2",
    "--size": "64",
    "--rate": "0.1",
    "--frozen": "0.5",
    "--batch": "2",
    "--freeze-norms": None,
    "--phase": "64:0:1:0.1",
    "--schedule": "linear",
    "--balance": "none",
    "--keep-best": "auroc",
    "--patience": "2",
    "--tensorboard": None,
    "--seed": "1",
    "--start": "earlier",
    "--teachers": "earlier",
    "--area": "0.5 0.9",
    "--texture": "0.3",
    "--tone": "0.3",
    "--dropout": "0.3",
    "--weight-decay": "0.3",
    "--label-smoothing": "0.3",
    "--average": "0.3",
    "--screen": None,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    add_options(parser)
    return parser


def _read(*words: str) -> tuple[Recipe, Selection | None]:
    return read_options(_parser().parse_args(words), Recipe(), None)


@pytest.mark.parametrize("option", VALUES)
def test_an_option_decides_something(option: str) -> None:
    assert _read(option, *(VALUES[option] or "").split()) != _read()


def test_no_option_is_forgotten_here() -> None:
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", _parser().format_usage()))
    assert options == {*VALUES, "--recipe"}


def test_a_recipe_file_decides_too(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("batch = 3\n")
    recipe, _ = _read("--recipe", str(tmp_path / "recipe.toml"), "--epochs", "7")
    assert (recipe.batch, recipe.phases[0].epochs) == (3, 7)
