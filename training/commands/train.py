"""`pneumonia train`."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from training.commands.data import LAYOUTS, add_labels, print_skipped
from training.configuration import BLOCKS, Architecture, Augmentation, Phase, Recipe, Selection

if TYPE_CHECKING:
    from service.cli import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train", description="Train a network and leave everything about it in a run folder."
    )
    recipe, ranges = Recipe(), Augmentation()
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("data"),
        help=f"{LAYOUTS}; a part named test is never read (default: data)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/latest"), help="run folder (default: runs/latest)"
    )
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    parser.add_argument(
        "--preview", type=Path, metavar="PNG", help="only write a sheet of augmented images"
    )
    images = parser.add_argument_group("images")
    images.add_argument(
        "--also",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="another data set to train on; may be given several times",
    )
    images.add_argument(
        "--also-times",
        type=int,
        default=1,
        metavar="N",
        help="how often an epoch shows its training images (default: 1)",
    )
    images.add_argument(
        "--folds", type=int, default=6, help="number of folds; one validates (default: 6)"
    )
    images.add_argument(
        "--fold", type=int, default=0, help="the fold that validates, from 0 (default: 0)"
    )
    images.add_argument(
        "--block",
        type=int,
        choices=range(BLOCKS),
        help="hold out a block of patients with neighbouring numbers instead of a fold: images "
        "made at one time on one device lie together",
    )
    images.add_argument(
        "--conflicting-times",
        type=int,
        default=1,
        metavar="N",
        help="how often an epoch shows the images whose label an anatomy-free model gets wrong "
        "(default: 1)",
    )
    images.add_argument(
        "--limit", type=int, metavar="N", help="use only N images, drawn by the seed"
    )
    add_labels(images)
    training = parser.add_argument_group("training")
    training.add_argument(
        "--arch",
        choices=get_args(Architecture),
        default=recipe.architecture,
        help=f"network architecture (default: {recipe.architecture})",
    )
    training.add_argument(
        "--phase",
        type=Phase.parse,
        action="append",
        metavar="SIZE:FROZEN:EPOCHS:RATE[:norms]",
        help="a training phase: image size, number of frozen blocks, epochs, peak learning rate, "
        "and whether batch normalisations are trained too (twice the time); may be given several "
        "times (default: 160:3:8:0.0005:norms)",
    )
    training.add_argument(
        "--seed", type=int, default=recipe.seed, help=f"random seed (default: {recipe.seed})"
    )
    training.add_argument(
        "--start",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="start from the weights of an earlier run with the same images and folds, or from the "
        "mean weights of several that were started from the same run",
    )
    training.add_argument(
        "--teachers",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="distillation: learn the mean predictions of earlier runs with the same images and "
        "folds instead of the labels",
    )
    training.add_argument(
        "--area",
        type=float,
        nargs=2,
        default=ranges.area,
        metavar=("MIN", "MAX"),
        help="share of an image's area that a random crop keeps; above 1 adds a black frame "
        f"(default: {ranges.area[0]:g} {ranges.area[1]:g})",
    )
    training.add_argument(
        "--texture",
        type=float,
        default=ranges.texture,
        metavar="SHARE",
        help="share of the images whose sharpness and noise are changed "
        f"(default: {ranges.texture:g})",
    )
    training.add_argument(
        "--tone",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the images that take on the grey-level histogram of another one of the "
        "batch, 0 to 1 (default: %(default)s)",
    )
    training.add_argument(
        "--label-smoothing",
        type=float,
        help=f"label smoothing (default: {recipe.label_smoothing}; 0 with --teachers)",
    )
    training.add_argument(
        "--average",
        type=float,
        default=recipe.average,
        help="momentum of the moving average of the weights, which is kept where it validates "
        f"better than the last weights; 0 for no average (default: {recipe.average})",
    )
    training.add_argument(
        "--screen",
        action="store_true",
        help="fit no input check, which is enough to compare recipes; a model file exported from "
        "such a run accepts any image",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from PIL import Image

    from training.augment import preview
    from training.pipeline import load_selection, train_run

    smoothing = arguments.label_smoothing
    if smoothing is None:
        smoothing = 0.0 if arguments.teachers else Recipe.label_smoothing
    recipe = Recipe(
        architecture=arguments.arch,
        phases=tuple(arguments.phase or Recipe.phases),
        seed=arguments.seed,
        augmentation=Augmentation(
            area=tuple(arguments.area), texture=arguments.texture, tone=arguments.tone
        ),
        label_smoothing=smoothing,
        average=arguments.average,
    )
    selection = Selection(
        folders=(arguments.folder, *arguments.also),
        also_times=arguments.also_times,
        folds=arguments.folds,
        fold=arguments.fold,
        limit=arguments.limit,
        block=arguments.block,
        conflicting_times=arguments.conflicting_times,
        positive=tuple(arguments.positive),
        finding=arguments.finding,
    )
    images = load_selection(selection, recipe.seed)
    print_skipped(images)
    if arguments.preview:
        sheet = preview(images, recipe.augmentation, recipe.seed)
        arguments.preview.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet).save(arguments.preview, "PNG")
        return 0
    train_run(
        recipe,
        selection,
        images,
        arguments.out,
        shlex.join(["pneumonia", "train", *sys.argv[2:]]),
        start=arguments.start,
        teachers=arguments.teachers,
        resume=arguments.resume,
        input_check=not arguments.screen,
    )
    print(f"The trained network is {arguments.out}/model.keras")
    return 0
