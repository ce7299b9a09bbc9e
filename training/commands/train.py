"""`pneumonia train`."""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from service.cli import INTERRUPTED
from training.commands.data import print_skipped
from training.commands.train_options import add_options, read_options
from training.configuration import (
    CONFIGURATION_FILE,
    MODEL_FILE,
    STATE_FILE,
    Selection,
    must_agree,
    must_be_new,
    read_begun,
)
from training.layouts import name_and_place
from training.recipe import ConfigurationError, Recipe

if TYPE_CHECKING:
    from service.cli import Subparsers

_DEFAULT_OUT = Path("runs/latest")
_LISTED_SIZE = 224
_FEW_FOLDS = 4  # where a network is trained for each of them


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        description="Train a network and leave everything about it in a run folder.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        default=_DEFAULT_OUT,
        help=f"run folder (default: {_DEFAULT_OUT})",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        nargs="?",
        const=Path(),
        default=None,
        metavar="RUN",
        help="go on with an interrupted run; nothing else is needed (without RUN: that of --out)",
    )
    parser.add_argument(
        "--preview",
        type=Path,
        metavar="PNG",
        default=None,
        help="only write a sheet of augmented images",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        default=False,
        help="only list the architectures: parameters, operations and measured time an image at "
        f"--size (default here: {_LISTED_SIZE})",
    )
    add_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.list:
        from training.commands.architectures import print_architectures

        print_architectures(vars(arguments).get("size", _LISTED_SIZE))
        return 0
    out = arguments.out
    if arguments.resume is not None:
        # a bare --resume goes on in --out
        out = out if arguments.resume == Path() else arguments.resume
        recorded = read_begun(out)
        recipe, selection, command = recorded.recipe, recorded.selection, recorded.command
        recipe, selection = read_options(arguments, recipe, selection)
        if selection is None:
            raise ConfigurationError(
                f"{out} was begun by an earlier version, which did not record its folders; start "
                "it again."
            )
        must_agree(out, recorded, replace(recorded, recipe=recipe, selection=selection))
    else:
        recipe, selection = read_options(arguments, Recipe(), None)
        command = shlex.join(["pneumonia", "train", *sys.argv[2:]])
    assert selection is not None
    _check(recipe, selection)
    if arguments.resume is None and not arguments.preview:
        must_be_new(out)
    try:
        return _train(arguments, recipe, selection, out, command)
    except KeyboardInterrupt:
        print(f"\nInterrupted. {_how_to_go_on(out)}", file=sys.stderr)
        return INTERRUPTED


def _train(
    arguments: argparse.Namespace,
    recipe: Recipe,
    selection: Selection,
    out: Path,
    command: str | None,
) -> int:
    from training.pipeline import load_selection, needs_all_folds, train_run

    images = load_selection(selection, recipe.seed)
    print_skipped(images)
    if arguments.preview:
        from PIL import Image

        from training.augment import preview

        sheet = preview(images, recipe.augmentation, recipe.seed)
        arguments.preview.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet).save(arguments.preview, "PNG")
        return 0
    derived = recipe.start or recipe.teachers or not selection.input_check
    derived = derived or selection.block is not None or selection.cluster is not None
    if arguments.resume is None and needs_all_folds(images) and not derived:
        folds = vars(arguments).get("folds", _FEW_FOLDS)
        selection = replace(selection, folds=folds, all_folds=True)
        print(
            f"{len(images)} images are too few to hold some out for thresholds and calibration: a "
            f"network is trained for each of {folds} folds, so that all of them count."
        )
    train_run(
        recipe,
        selection,
        images,
        out,
        command,
        start=[Path(file).parent for file in recipe.start],
        teachers=[Path(file).parent for file in recipe.teachers],
        resume=arguments.resume is not None,
    )
    print(
        f"The trained network is {out / MODEL_FILE}. Make the file that is served of it: pneumonia "
        f"export {out} --out models/{out.name}.onnx"
    )
    return 0


def _check(recipe: Recipe, selection: Selection) -> None:
    """What can be said before anything is loaded."""
    try:
        recipe.check()
    except ConfigurationError as error:
        raise ConfigurationError(f"{error.detail[0].upper()}{error.detail[1:]}.") from None
    selection.check()
    for folder in (name_and_place(named)[1] for named in selection.folders):
        if not folder.exists():
            raise ConfigurationError(
                f"There is no folder {folder}. See `pneumonia data --help` for the layout."
            )
    if recipe.weights not in (None, "imagenet", "random") and not Path(recipe.weights).is_file():
        raise ConfigurationError(
            f"There is no file {recipe.weights} of weights; --weights takes imagenet, random or a "
            "file."
        )
    for file in (*recipe.start, *recipe.teachers):
        for name in (CONFIGURATION_FILE, MODEL_FILE):
            place = Path(file).parent / name
            if not place.is_file():
                raise ConfigurationError(f"There is no {place}; give a run of `pneumonia train`.")
    parts = [option for option in ("block", "cluster") if vars(selection)[option] is not None]
    if selection.all_folds and parts:
        raise ConfigurationError(f"--all trains a network for each fold; leave --{parts[0]} out.")
    if len(parts) > 1:
        raise ConfigurationError("--block and --cluster each say what to hold out; give one.")
    if selection.all_folds and (recipe.start or recipe.teachers):
        raise ConfigurationError(
            "--all trains a network for each fold, and earlier runs have seen what some of them "
            "hold out; leave --start and --teachers out."
        )


def _how_to_go_on(out: Path) -> str:
    if not (out / CONFIGURATION_FILE).exists():
        return "Nothing is written yet."
    saved = "" if (out / STATE_FILE).exists() else " (no epoch is done yet)"
    return f"Go on with: pneumonia train --resume {shlex.quote(str(out))}{saved}"
