"""`pneumonia calibrate`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from export.commands.export import onnx_file, print_written
from training.commands.data import LAYOUTS

if TYPE_CHECKING:
    from service.cli import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "calibrate",
        description="Refit a model file's calibration and operating points on your own labelled "
        "images.",
    )
    parser.add_argument("model", type=Path, help="an .onnx file of `pneumonia export`")
    parser.add_argument("folder", type=Path, help=LAYOUTS)
    parser.add_argument("--out", type=onnx_file, required=True, metavar="NEW.onnx")
    parser.add_argument(
        "--part",
        choices=("train", "val", "test"),
        default="val",
        help="which part of a divided data set is used (default: val)",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from export.pack import write
    from export.recalibration import recalibrate

    graph, contract = recalibrate(arguments.model, arguments.folder, arguments.part)
    write(graph, contract, arguments.out)
    print_written(arguments.out, contract)
    return 0
