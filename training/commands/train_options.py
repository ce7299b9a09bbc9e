"""The options of `pneumonia train`, and the recipe and selection that they make."""

import argparse
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

from training.commands.data import DATA_SET, add_labels
from training.configuration import BLOCKS, CLUSTERS, MODEL_FILE, Selection
from training.recipe import (
    Architecture,
    Augmentation,
    Balance,
    ConfigurationError,
    Measure,
    Phase,
    Recipe,
    Schedule,
    read_recipe,
)

# what an option may be named after: a field that no option sets keeps its value
_PHASE = tuple(field.name for field in fields(Phase))
_AUGMENTATION = tuple(field.name for field in fields(Augmentation))
_RECIPE = tuple(
    field.name
    for field in fields(Recipe)
    if field.name not in ("phases", "augmentation", "start", "teachers")
)
_SELECTION = tuple(field.name for field in fields(Selection) if field.name != "folders")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that decide a run; one that is not given leaves no trace.

    The parser's ``argument_default`` must be ``argparse.SUPPRESS``.
    """
    parser.set_defaults(recipe_file=None)
    _add_images(parser.add_argument_group("images"), Selection(()))
    _add_training(parser.add_argument_group("training"), Recipe())
    _add_comparison(parser.add_argument_group("comparison of recipes"), Recipe())
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=None,
        help=f"{DATA_SET}; a part named test is never read (default: data)",
    )


def read_options(
    arguments: argparse.Namespace, recipe: Recipe, selection: Selection | None
) -> tuple[Recipe, Selection | None]:
    """What the options make of a recipe and a selection.

    Args:
        arguments: as parsed.
        recipe: to start from, unless the arguments name a recipe file.
        selection: to start from; None for that of the command without options.

    Raises:
        ConfigurationError: the recipe file is none, or options of a phase are given beside several
            phases.
    """
    given = vars(arguments)
    if arguments.recipe_file is not None:
        recipe = read_recipe(arguments.recipe_file)
    changes = _chosen(given, _RECIPE)
    for name in ("start", "teachers"):
        if name in given:
            changes[name] = tuple(str(run / MODEL_FILE) for run in given[name])
    if "teachers" in given and "label_smoothing" not in given:
        changes["label_smoothing"] = 0.0
    recipe = replace(
        recipe,
        augmentation=replace(recipe.augmentation, **_chosen(given, _AUGMENTATION)),
        **changes,
    )
    recipe = replace(recipe, phases=_phases(given, recipe))
    if selection is None and "resume" in given and given["resume"] is not None:
        return recipe, None
    selection = selection or Selection((Path("data"),))
    first = arguments.folder or selection.folders[0]
    also = given.get("also", selection.folders[1:])
    return recipe, replace(selection, folders=(first, *also), **_chosen(given, _SELECTION))


def _chosen(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: tuple(given[name]) if isinstance(given[name], list) else given[name]
        for name in names
        if name in given and given[name] not in (None, [])
    }


def _phases(given: Mapping[str, Any], recipe: Recipe) -> tuple[Phase, ...]:
    phases = tuple(given["phase"]) if "phase" in given else recipe.phases
    changes = _chosen(given, _PHASE)
    if changes and len(phases) > 1:
        raise ConfigurationError(
            f"There are {len(phases)} phases; give --{next(iter(changes))} of each in the recipe "
            "file or by --phase."
        )
    if not recipe.pretrained and phases == Recipe.phases:
        changes = {"frozen": 0.0, **changes}  # random weights have nothing worth keeping
    return tuple(replace(phase, **changes) for phase in phases)


def _phase(text: str) -> Phase:
    try:
        return Phase.parse(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(error.detail) from None


def _add_images(group: argparse._ArgumentGroup, selection: Selection) -> None:
    group.add_argument(
        "--also",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="another data set to train on; may be given several times",
    )
    group.add_argument(
        "--also-times",
        type=int,
        metavar="N",
        help="how often an epoch shows its training images (default: 1)",
    )
    group.add_argument(
        "--folds",
        type=int,
        help="number of folds by patient; one validates (default: "
        f"{selection.folds}; 4 where there are few images)",
    )
    group.add_argument(
        "--fold",
        type=int,
        help="the fold that validates, from 0 (default: 0)",
    )
    group.add_argument(
        "--all",
        action="store_true",
        dest="all_folds",
        help="cross-validation: train a network for each fold and report over them; the default "
        "below 1,000 images",
    )
    group.add_argument(
        "--block",
        type=int,
        choices=range(BLOCKS),
        help="hold out a block of patients with neighbouring numbers instead of a fold: images "
        "made at one time on one device lie together",
    )
    group.add_argument(
        "--cluster",
        type=int,
        choices=range(CLUSTERS),
        help="hold out a cluster of images that look as if one device had made them instead of a "
        "fold, and train on no image of their patients",
    )
    group.add_argument(
        "--conflicting-times",
        type=int,
        metavar="N",
        help="how often an epoch shows the images whose label an anatomy-free model gets wrong "
        "(default: 1)",
    )
    add_labels(group)
    group.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="use only N images, drawn by the seed",
    )


def _add_training(group: argparse._ArgumentGroup, recipe: Recipe) -> None:
    phase = recipe.phases[0]
    group.add_argument(
        "--recipe",
        type=Path,
        dest="recipe_file",
        metavar="FILE.toml",
        help="a recipe file; options given beside it take precedence",
    )
    group.add_argument(
        "--arch",
        dest="architecture",
        choices=get_args(Architecture),
        help=f"network architecture (default: {recipe.architecture}); --list compares them",
    )
    group.add_argument(
        "--weights",
        metavar="imagenet|random|PATH",
        help="what the network starts from: ImageNet weights (downloaded by Keras, but for "
        "efficientnet_lite0), nothing, or a file of weights (default: imagenet; random for cnn)",
    )
    for name, kind, text in (
        ("epochs", int, f"passes over the images (default: {phase.epochs})"),
        ("size", int, f"rows and columns of the images (default: {phase.size})"),
        ("rate", float, f"peak learning rate (default: {phase.rate:g})"),
        (
            "frozen",
            float,
            "share of the layers, from the input on, that keep their pretrained weights (default: "
            f"{phase.frozen:g}; 0 for random weights)",
        ),
        ("batch", int, f"images a step (default: {recipe.batch})"),
    ):
        group.add_argument(f"--{name}", type=kind, metavar="N", help=text)
    group.add_argument(
        "--freeze-norms",
        action="store_false",
        dest="norms",
        help="keep scale and statistics of batch normalisations, which nearly halves the time",
    )
    group.add_argument(
        "--phase",
        type=_phase,
        action="append",
        metavar="SIZE:FROZEN:EPOCHS:RATE[:norms]",
        help="a phase as one word; without :norms its normalisations are frozen; may be given "
        "several times",
    )
    group.add_argument(
        "--schedule",
        choices=get_args(Schedule),
        help="how the learning rate falls after its rise in the first tenth (default: "
        f"{recipe.schedule})",
    )
    group.add_argument(
        "--balance",
        choices=get_args(Balance),
        help="how classes come to count the same: by weights in the loss, by sampling, or not "
        f"(default: {recipe.balance})",
    )
    group.add_argument(
        "--keep-best",
        choices=get_args(Measure),
        dest="keep",
        help="keep the epoch with the best validation measure (default: the last epoch)",
    )
    group.add_argument(
        "--patience",
        type=int,
        metavar="N",
        help="stop early: end a phase after N epochs without a better measure (that of "
        "--keep-best, or the loss)",
    )
    group.add_argument(
        "--tensorboard",
        action="store_true",
        help="also write logs for TensorBoard into the run folder",
    )
    group.add_argument(
        "--seed",
        type=int,
        help=f"random seed (default: {recipe.seed})",
    )


def _add_comparison(group: argparse._ArgumentGroup, recipe: Recipe) -> None:
    ranges = Augmentation()
    group.add_argument(
        "--start",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="start from the weights of an earlier run with the same images and folds, or from the "
        "mean weights of several that were started from the same run",
    )
    group.add_argument(
        "--teachers",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="distillation: learn the mean predictions of earlier runs with the same images and "
        "folds instead of the labels",
    )
    group.add_argument(
        "--area",
        type=float,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="share of an image's area that a random crop keeps; above 1 adds a black frame "
        f"(default: {ranges.area[0]:g} {ranges.area[1]:g})",
    )
    group.add_argument(
        "--texture",
        type=float,
        metavar="SHARE",
        help="share of the images whose sharpness and noise are changed "
        f"(default: {ranges.texture:g})",
    )
    group.add_argument(
        "--tone",
        type=float,
        metavar="SHARE",
        help="share of the images that take on the grey-level histogram of another one of the "
        f"batch, 0 to 1 (default: {ranges.tone:g})",
    )
    for name, text in (
        ("dropout", "dropout before the last layer"),
        ("weight-decay", "weight decay of AdamW"),
        ("label-smoothing", "label smoothing (0 with --teachers)"),
        (
            "average",
            "momentum of the moving average of the weights, which is kept where it validates "
            "better than the last weights; 0 for no average",
        ),
    ):
        group.add_argument(
            f"--{name}",
            type=float,
            metavar="X",
            help=f"{text} (default: {getattr(recipe, name.replace('-', '_')):g})",
        )
    group.add_argument(
        "--screen",
        action="store_false",
        dest="input_check",
        help="fit no input check, and no other folds where there are few images, which is enough "
        "to compare recipes; a model file exported from such a run accepts any image",
    )
