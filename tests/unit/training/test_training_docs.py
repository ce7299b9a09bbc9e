"""What docs/training.md says of options, recipes and verdicts."""

import argparse
import re
from pathlib import Path
from typing import get_args

from export.commands.export import register as register_export
from tests.process import ROOT
from training import advice
from training.budgets import FEWEST_IMAGES
from training.commands.evaluate import register as register_evaluate
from training.commands.train import register as register_train
from training.recipe import Architecture, Phase, read_recipe

PAGE = (ROOT / "docs" / "training.md").read_text()


def test_every_option_is_there() -> None:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    for register in (register_train, register_export, register_evaluate):
        register(subparsers)
    known = "".join(command.format_help() for command in subparsers.choices.values())
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert len(named) > 15
    of_others = {"--logdir"}  # TensorBoard's
    assert {option for option in named if option not in known} == of_others


def test_the_recipe_is_one(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
    recipe = read_recipe(tmp_path / "recipe.toml")
    assert (recipe.architecture, recipe.keep, recipe.patience) == ("densenet121", "auroc", 3)
    assert recipe.phases == (Phase(160, 0.5, 6, 5e-4), Phase(224, 0.0, 2, 5e-5))


def test_architectures_and_verdicts_are_all_there() -> None:
    assert all(f"`{name}`" in PAGE for name in get_args(Architecture))
    rows = dict(re.findall(r"^\| ([a-z ]+) \| (.*) \|$", PAGE, re.MULTILINE))
    assert set(get_args(advice.Verdict)) < set(rows)
    assert str(FEWEST_IMAGES) in rows["collect more images"]
    assert str(advice.USELESS) in rows["do not use"]
    assert str(advice.WEAK) in rows["retrain"]
    assert str(advice.MISCALIBRATED) in rows["recalibrate"]
