"""`pneumonia lungs`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.cli import Subparsers

_DEFAULT_OUT = Path("runs/lungs")


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "lungs",
        description="Train the lung localiser, which `pneumonia export --lungs` puts into a model "
        "file beside the classifier.",
    )
    parser.add_argument("folder", type=Path, help="chest X-rays, laid out as for `pneumonia train`")
    parser.add_argument(
        "--masks",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="lung masks as PNG files named as the images are, in the same frame",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=_DEFAULT_OUT,
        metavar="FOLDER",
        help=f"where lungs.keras and lungs.json go (default: {_DEFAULT_OUT})",
    )
    parser.add_argument("--epochs", type=int, default=10, help="default: 10")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from training.data import find_samples, load
    from training.lungs import fit_localiser

    data = load(find_samples(arguments.folder))
    report = fit_localiser(data, arguments.masks, arguments.out, arguments.epochs, arguments.seed)
    print(
        f"The lung localiser is {arguments.out}/lungs.keras: its mean intersection over union on "
        f"{report.images} held-out masks is {report.mean_overlap:.3f}."
    )
    return 0
