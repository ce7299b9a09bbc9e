"""`pneumonia calibrate`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from export.commands.export import onnx_file, print_written
from training.commands.data import DATA_SET

if TYPE_CHECKING:
    from service.cli import Subparsers
    from service.inference.operating_point import Rate


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "calibrate",
        description="Propose calibration and thresholds from your own labelled images, with 95 % "
        "intervals, and write them into a new model file. Images whose device points to the other "
        "label count more often, up to a fifth of each class, so that the device counts less.",
    )
    parser.add_argument("model", type=Path, help="an .onnx file of `pneumonia export`")
    parser.add_argument("folder", type=Path, help=DATA_SET)
    parser.add_argument(
        "--out",
        type=onnx_file,
        metavar="NEW.onnx",
        help="model file to write; without it the proposal is only printed",
    )
    parser.add_argument(
        "--site",
        type=_site,
        metavar="NAME",
        help="whose images these are; the page names it beside the figures (default: the folder)",
    )
    parser.add_argument(
        "--part",
        choices=("train", "val", "test"),
        default="val",
        help="which part of a divided data set is used (default: val)",
    )
    parser.set_defaults(run=_run)


def _site(text: str) -> str:
    if not 0 < len(text) <= 100:
        raise argparse.ArgumentTypeError("must have 1 to 100 letters")
    return text


def _run(arguments: argparse.Namespace) -> int:
    from export.pack import write
    from export.recalibration import recalibrate

    made = recalibrate(arguments.model, arguments.folder, arguments.part, arguments.site)
    print(f"{made.contract.calibration}; 95 % intervals by bootstrap over patients")
    for point in made.contract.operating_points:
        if point.name in made.now:
            sensitivity, specificity = made.now[point.name]
            print(
                f"{point.name}, now: sensitivity {_interval(sensitivity)}, "
                f"specificity {_interval(specificity)}"
            )
        print(
            f"{point.name}, proposed: threshold {_interval(made.thresholds[point.name])}, "
            f"sensitivity {_interval(point.sensitivity)}, "
            f"specificity {_interval(point.specificity)}"
        )
    print(
        "The proposed thresholds are for recalibrated probabilities, and measured on the images "
        "they were chosen on: evaluate the new file on others."
    )
    if arguments.out:
        write(made.graph, made.contract, arguments.out)
        print_written(arguments.out, made.contract)
    return 0


def _interval(rate: "Rate") -> str:
    return f"{rate.value:.4f} ({rate.low:.4f} to {rate.high:.4f})"
