"""`pneumonia evaluate`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.data import DATA_SET

if TYPE_CHECKING:
    from service.cli import Subparsers
    from service.inference.operating_point import Rate
    from training.samples import Listing, Sample

_PRINTED = ("auroc", "accuracy", "sensitivity", "specificity", "ece")


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "evaluate", description="Score a model on labelled images and write a report."
    )
    parser.add_argument("model", type=Path, help="a .keras or .onnx file")
    parser.add_argument("folder", type=Path, help=DATA_SET)
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument(
        "--part",
        choices=("train", "val", "test"),
        help="which part of a divided data set is scored (default: test; without one, what the run "
        "of a .keras file held out)",
    )
    parser.add_argument(
        "--only",
        type=Path,
        metavar="FILE",
        help="score only the images listed in this file, such as a run's validation.txt",
    )
    parser.add_argument(
        "--operating-point", default="balanced", help="of an .onnx file (default: balanced)"
    )
    parser.add_argument(
        "--shifts",
        action="store_true",
        help="also score the images under each named distribution shift (shifts.json)",
    )
    parser.add_argument(
        "--audit",
        action="store_true",
        help="also hide parts of the images and test the evidence map of an .onnx file "
        "(audit.json)",
    )
    parser.add_argument(
        "--conflicting",
        action="store_true",
        help="also report the figures on images whose label an anatomy-free model gets wrong, "
        "where the device does not help (conflicting.json)",
    )
    parser.add_argument(
        "--out-of-distribution",
        type=Path,
        metavar="FOLDER",
        help="also report how many images of this folder, none of them a chest X-ray, an .onnx "
        "file refuses (out_of_distribution.json)",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="MODEL",
        help="also compare with another model on the same images (comparison.json and .md): "
        "DeLong's test and a bootstrap over patients",
    )
    parser.add_argument(
        "--width",
        type=_width,
        default=0.1,
        help="desired width of the 95 %% intervals of sensitivity and specificity, for which the "
        "report says how many images it takes (default: 0.1)",
    )
    parser.set_defaults(run=_run)


def _width(text: str) -> float:
    if not 0 < float(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must lie between 0 and 1")
    return float(text)


def _run(arguments: argparse.Namespace) -> int:
    from training.advice import advise
    from training.audit import audit
    from training.comparison import compare, write_comparison
    from training.conflicting import write_conflicting
    from training.data import DataError, load
    from training.evaluate import evaluate, promised_point
    from training.out_of_distribution import score_out_of_distribution
    from training.report import write_report, write_shifts
    from training.shifts import SHIFTS

    model, out, point = arguments.model, arguments.out, arguments.operating_point
    others = arguments.out_of_distribution
    if (arguments.audit or others) and model.suffix != ".onnx":
        raise DataError(
            f"--audit and --out-of-distribution need an .onnx file; make one of {model} with "
            "`pneumonia export`."
        )
    if others and not others.is_dir():
        raise DataError(f"There is no folder {others} of images.")
    samples = _find(arguments.folder, model, arguments.part, arguments.only)
    evaluation = evaluate(model, samples, point)
    advice = advise(evaluation, promised_point(model, point), arguments.width)
    write_report(evaluation, out, advice)
    _print({name: evaluation.figures[name] for name in _PRINTED if name in evaluation.figures})
    if arguments.against:
        comparison = compare(evaluation, evaluate(arguments.against, samples, point))
        write_comparison(comparison, model.name, arguments.against.name, out)
        gap = comparison.differences["auroc"]
        print(
            f"AUROC less that of {arguments.against.name}: {gap.one - gap.other:+.4f} "
            f"({gap.low:+.4f} to {gap.high:+.4f}), p {gap.p:.3f} (DeLong {comparison.delong:.3f})"
        )
    if arguments.shifts:
        shifted = {shift.name: evaluate(model, samples, point, shift) for shift in SHIFTS}
        write_shifts({"clean": evaluation, **shifted}, out)
    if arguments.conflicting:
        write_conflicting(evaluation, load(samples, labels=evaluation.scores.labels), out)
    if arguments.audit:
        _print(audit(model, load(samples, labels=evaluation.scores.labels), out))
    if others:
        refused, skipped = score_out_of_distribution(model, others, out)
        for line in skipped:
            print(f"skipped {line}")
        _print({"refused": refused})
    print(f"The report is {out / 'report.html'} (and .md, .json)")
    print(advice.how_many)
    print(f"What to do: {advice.verdict}. {' '.join(advice.reasons)} {advice.what_to_do}")
    return 0


def _find(folder: Path, model: Path, part: str | None, only: Path | None) -> "list[Sample]":
    """The images to score: those asked for, else the test part, else what the run held out."""
    from training.layouts import find, taken
    from training.samples import DataError
    from training.validation import NAMES_FILE

    listing = find(folder)
    for note in listing.notes:
        print(note)
    if only is not None:
        samples = _named_in(only, listing)
        if not samples:
            raise DataError(f"{only} lists no image of {folder}.")
        return samples
    if part is not None or listing.has_part("test"):
        return taken(listing, folder, (part or "test",))
    held_out = model.parent / NAMES_FILE
    samples = _named_in(held_out, listing) if held_out.is_file() else []
    if samples:
        print(f"Scoring the {len(samples)} images that the run held out ({held_out}).")
    elif listing.is_divided:
        raise DataError(
            f"{folder} has no part named test; its parts are {', '.join(listing.parts)}. Name one "
            "with --part, or score what a run held out with --only RUN/validation.txt."
        )
    return samples or list(listing.samples)


def _named_in(file: Path, listing: "Listing") -> "list[Sample]":
    from training.samples import DataError

    if not file.is_file():
        raise DataError(f"There is no file {file}; --only needs a list of images.")
    names = set(file.read_text().split("\n"))
    return [sample for sample in listing.samples if sample.name in names]


def _print(figures: "dict[str, Rate]") -> None:
    for name, rate in figures.items():
        print(f"{name} {rate.value:.4f} ({rate.low:.4f} to {rate.high:.4f})")
