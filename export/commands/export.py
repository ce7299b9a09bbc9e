"""`pneumonia export`."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.cli import Subparsers
    from service.inference.contract import Contract


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export", description="Turn a training run into the one ONNX file that is served."
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="run folder of `pneumonia train`")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")
    parser.add_argument("--name", help="model name in the contract (default: the file's name)")
    parser.add_argument(
        "--model-version", default="1.0.0", help="model version in the contract (default: 1.0.0)"
    )
    parser.add_argument(
        "--population", help="whom the training images show, in a sentence (default: not stated)"
    )
    parser.add_argument(
        "--ages",
        type=int,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="age range in years for which the figures hold; the service warns of other ages "
        "(default: not stated)",
    )
    parser.add_argument(
        "--int8",
        type=Path,
        metavar="FOLDER",
        help="quantise to int8, if that is as good as float32 on the held-out images of FOLDER, "
        "the first data set of the run",
    )
    parser.add_argument(
        "--siblings",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="runs with the same recipe and data sets that held out other images: calibration and "
        "thresholds are fitted on those as well",
    )
    parser.add_argument(
        "--lungs",
        type=Path,
        metavar="FOLDER",
        help="put the lung localiser of `pneumonia lungs` into the file: images without two lungs "
        "side by side are refused, and evidence outside the lungs is remarked on",
    )
    parser.set_defaults(run=_run)


def print_written(out: Path, contract: "Contract") -> None:
    """Size, temperature and operating points of a model file that was just written."""
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, temperature {contract.temperature:.3f}")
    for point in contract.operating_points:
        print(
            f"{point.name}: threshold {point.threshold:.4f}, sensitivity "
            f"{point.sensitivity.value:.4f}, specificity {point.specificity.value:.4f}"
        )
        if band := point.uncertain:
            print(
                f"{point.name}: uncertain are {band.pneumonia.value:.1%} with pneumonia and "
                f"{band.normal.value:.1%} without; sensitivity {band.sensitivity.value:.4f}, "
                f"specificity {band.specificity.value:.4f} outside"
            )
    rule = contract.subtype_rule
    if rule.named and rule.correct:
        print(f"subtype: named for {rule.named.value:.1%}, right for {rule.correct.value:.1%}")


def _run(arguments: argparse.Namespace) -> int:
    from export.build import build_float32, build_int8
    from export.contract import Identity, make_contract
    from export.lungs import add_lungs
    from export.pack import write
    from export.run import Run
    from training.lungs import load_localiser

    run = Run.load(arguments.folder, arguments.siblings)
    if run.check is None:
        print(
            "This run has no input check (a network without an evidence map, or --screen): the "
            "model file will accept any image, a photograph too.",
            file=sys.stderr,
        )
    if arguments.population is None or arguments.ages is None:
        print(
            "Give --population and --ages, so that the model file states whom its figures hold for "
            "and the service warns of others.",
            file=sys.stderr,
        )
    made = build_float32(run) if arguments.int8 is None else build_int8(run, arguments.int8)
    if arguments.lungs is not None:
        localiser, rule = load_localiser(arguments.lungs)
        add_lungs(made.graph, localiser, run.size)
        made = replace(made, lung_rule=rule)
    for name, value in made.metrics.items():
        print(f"{name} {value:.4f}")
    identity = Identity(
        name=arguments.name or arguments.out.stem,
        version=arguments.model_version,
        population=arguments.population,
        ages=tuple(arguments.ages) if arguments.ages else None,
    )
    contract = make_contract(run, made, identity)
    write(made.graph, contract, arguments.out)
    print_written(arguments.out, contract)
    return 0
