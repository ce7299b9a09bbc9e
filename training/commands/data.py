"""`pneumonia data`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.cli import Subparsers
    from training.data import Dataset


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "data", description="Check a folder of labelled images and count what is in it."
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("data"),
        help="{train,val,test}/{NORMAL,PNEUMONIA} or {NORMAL,PNEUMONIA} (default: data)",
    )
    parser.set_defaults(run=_run)


def print_skipped(images: "Dataset") -> None:
    """One line for each file that could not be read."""
    for line in images.skipped:
        print(f"skipped {line}")


def _run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from training.data import find_samples, load

    images = load(find_samples(arguments.folder, ("train", "val", "test")))
    print_skipped(images)
    print(f"{len(images)} images of {len(np.unique(images.groups))} patients")
    for column, label in enumerate(images.labels.names):
        print(f"  {label}: {int((images.targets[:, column] > 0.99).sum())}")
    if not images.has_subtype.all():
        unknown = int((~images.has_subtype).sum())
        print(f"  {images.labels.finding} of unknown subtype: {unknown}")
    print(f"fingerprint {images.fingerprint()}")
    return 0
