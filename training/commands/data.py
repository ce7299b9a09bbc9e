"""`pneumonia data`: check labelled images, look for shortcuts in them, download a published set."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.layouts import LAYOUTS

if TYPE_CHECKING:
    from service.cli import Subparsers
    from training.data import Dataset

# what FOLDER may be
DATA_SET = f"{LAYOUTS}; NAME=FOLDER gives the data set another name than its folder's"
_FROM = ("kaggle", "mendeley")


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "data", description="Check labelled images; `pneumonia data FOLDER` is `data check FOLDER`."
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check", description="Describe data sets: classes, parts, patients, copies, leaks."
    )
    _add_data(check)
    check.set_defaults(run=_check)
    shortcuts = actions.add_parser(
        "shortcuts",
        description="Measure how well a model that sees no anatomy tells the classes apart.",
    )
    _add_data(shortcuts)
    shortcuts.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where the report and sheets of images go (default: nowhere)",
    )
    shortcuts.add_argument(
        "--masks",
        type=Path,
        metavar="FOLDER",
        help="lung masks, one <image's name>.png each, whose shape is measured too",
    )
    shortcuts.set_defaults(run=_shortcuts)
    download = actions.add_parser(
        "download", description="Fetch the published X-rays of children (Kermany 2018, 1.2 GB)."
    )
    download.add_argument("folder", type=Path, nargs="?", default=Path("data"), help="where to")
    download.add_argument(
        "--from", dest="place", choices=_FROM, default=_FROM[0], help=f"default: {_FROM[0]}"
    )
    download.set_defaults(run=_download)


def add_labels(parser: "argparse._ActionsContainer") -> None:
    """Add the options that say which labels count as disease."""
    parser.add_argument(
        "--positive",
        nargs="+",
        action="extend",
        default=[],
        metavar="LABEL",
        help="labels that count as disease (default: all but the one called normal, no finding, "
        "negative or healthy)",
    )
    parser.add_argument(
        "--finding",
        metavar="NAME",
        help="what these labels mean together, as the page and reports say it (default: pneumonia "
        "for its kinds, else the labels)",
    )


def print_skipped(images: "Dataset") -> None:
    """One line for each thing that was left out, and each file that could not be read."""
    for note in images.notes:
        print(note)
    for line in images.skipped:
        print(f"skipped {line}")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        type=Path,
        nargs="*",
        default=[Path("data")],
        metavar="FOLDER",
        help=f"{DATA_SET} (default: data)",
    )
    add_labels(parser)


def _load(arguments: argparse.Namespace) -> "Dataset":
    """All parts of the data sets, after saying what they were recognised as."""
    from training.data import load
    from training.layouts import find, labels_of

    listings = [find(folder) for folder in arguments.folders]
    for folder, listing in zip(arguments.folders, listings, strict=True):
        print(f"{folder}: {listing.layout}")
        for note in listing.notes:
            print(f"  {note}")
    samples = [sample for listing in listings for sample in listing.samples]
    labels = labels_of(listings, samples, arguments.positive, arguments.finding)
    images = load(samples, labels=labels)
    print_skipped(images)
    return images


def _check(arguments: argparse.Namespace) -> int:
    from training.inspection import describe

    for line in describe(_load(arguments)):
        print(line)
    return 0


def _shortcuts(arguments: argparse.Namespace) -> int:
    from training.shortcut_report import look_for_shortcuts

    for line in look_for_shortcuts(_load(arguments), arguments.out, arguments.masks):
        print(line)
    return 0


def _download(arguments: argparse.Namespace) -> int:
    from training.download import download

    folder = download(arguments.place, arguments.folder)
    print(f"The images are in {folder}; `pneumonia data check {folder}` says what they are.")
    return 0
