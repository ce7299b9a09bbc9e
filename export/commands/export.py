"""`pneumonia export`."""

import argparse
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.inference.contract import NAME, VERSION
from training.configuration import must_be_finished
from training.recipe import ConfigurationError

if TYPE_CHECKING:
    from service.cli import Subparsers
    from service.inference.contract import Contract

_OLDEST = 150


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export", description="Turn a training run into the one ONNX file that is served."
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="run folder of `pneumonia train`")
    parser.add_argument("--out", type=onnx_file, required=True, metavar="FILE.onnx")
    parser.add_argument(
        "--name", type=_NAME, help="model name in the contract (default: the file's name)"
    )
    parser.add_argument(
        "--model-version",
        type=_VERSION,
        default="1.0.0",
        help="model version in the contract (default: 1.0.0)",
    )
    parser.add_argument(
        "--population", help="whom the training images show, in a sentence (default: not stated)"
    )
    parser.add_argument(
        "--ages",
        type=_age,
        nargs=2,
        action=_Ages,
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
        "side by side are refused, and answers warn of evidence outside the lungs",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="write the file although too little is known of the model; its contract says why",
    )
    parser.set_defaults(run=_run)


def onnx_file(text: str) -> Path:
    """A path that ends in ``.onnx``.

    Raises:
        argparse.ArgumentTypeError: it does not.
    """
    if Path(text).suffix != ".onnx":
        raise argparse.ArgumentTypeError(f"{text!r} must end in .onnx")
    return Path(text)


class _Pattern:
    """Text of the form that the contract asks for."""

    def __init__(self, pattern: str, wanted: str) -> None:
        self._pattern, self._wanted = pattern, wanted

    def __call__(self, text: str) -> str:
        if not re.fullmatch(self._pattern, text):
            raise argparse.ArgumentTypeError(f"{text!r} must be {self._wanted}")
        return text


_NAME = _Pattern(NAME, "up to 64 letters, digits, _, . or -, and begin with a letter or digit")
_VERSION = _Pattern(
    VERSION, "up to 64 letters, digits, _, ., + or -, and begin with a letter or digit"
)


def _age(text: str) -> int:
    if not text.isdecimal() or int(text) > _OLDEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age in years, 0 to {_OLDEST}")
    return int(text)


class _Ages(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        youngest, oldest = values
        if youngest > oldest:
            parser.error(f"--ages {youngest} {oldest}: the youngest age comes first")
        namespace.ages = (youngest, oldest)


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
    name = arguments.name or arguments.out.stem
    if not re.fullmatch(NAME, name):
        raise ConfigurationError(f"{name!r} cannot be the model's name; give one with --name.")
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise ConfigurationError(
            "The export needs Keras's TensorFlow backend; leave KERAS_BACKEND unset. It makes no "
            "difference which backend a run was trained with."
        )
    must_be_finished(arguments.folder)
    from export.build import build_float32, build_int8
    from export.contract import Identity, make_contract
    from export.lungs import add_lungs
    from export.objections import objections
    from export.pack import write
    from export.run import Run, RunError
    from training.lungs import load_localiser

    run = Run.load(arguments.folder, arguments.siblings)
    found = objections(run)
    for sentence in found:
        print(sentence, file=sys.stderr)
    if found and not arguments.force:
        raise RunError(
            "Nothing is written, because this model cannot be relied on. Train it on more images, "
            "or for longer; or give --force to write it all the same, with these sentences in its "
            "contract."
        )
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
        name=name,
        version=arguments.model_version,
        population=arguments.population,
        ages=arguments.ages,
    )
    contract = make_contract(run, made, identity, found)
    write(made.graph, contract, arguments.out)
    print_written(arguments.out, contract)
    return 0
