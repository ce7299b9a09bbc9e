"""`pneumonia data`, `train` and `evaluate`."""

import argparse
import json
import shlex
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from training.data import LABELS, Dataset, find_samples, load, split


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pneumonia data`."""
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("data"),
        help="{train,val,test}/{NORMAL,PNEUMONIA} or {NORMAL,PNEUMONIA} (default: data)",
    )


def data(arguments: argparse.Namespace) -> int:
    """Check a data set and say what is in it."""
    images = load(find_samples(arguments.folder, ("train", "val", "test")))
    _report_skipped(images)
    print(f"{len(images)} images of {len(np.unique(images.groups))} patients")
    for column, label in enumerate(LABELS):
        print(f"  {label}: {int((images.targets[:, column] > 0.5).sum())}")
    print(f"  pneumonia of unknown kind: {int((~images.has_subtype).sum())}")
    print(f"fingerprint {images.fingerprint()}")
    return 0


def train_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pneumonia train`."""
    from training.architectures import ARCHITECTURES
    from training.train import Phase, Recipe

    default = Recipe()
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("data"),
        help="{train,val}/{NORMAL,PNEUMONIA}; a part named test is never read",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/latest"), help="the run's folder")
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), default=default.architecture)
    parser.add_argument(
        "--also",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="another data set to train on; may be given several times",
    )
    parser.add_argument(
        "--also-times", type=int, default=1, metavar="N", help="how often its images count"
    )
    parser.add_argument(
        "--phase",
        type=Phase.parse,
        action="append",
        metavar="SIZE:FROZEN:EPOCHS:RATE[:norms]",
        help="a stretch of training: image size, frozen blocks, epochs, peak learning rate, and "
        "whether batch normalisations learn too (twice the time); may be given several times "
        "(default: 160:3:8:0.0005:norms)",
    )
    parser.add_argument(
        "--start",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="start from the network of an earlier run of the same images and folds; from the mean "
        "of several, which must have one start themselves",
    )
    parser.add_argument(
        "--teachers",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="learn what the networks of earlier runs of the same images and folds say on average "
        "instead of the labels (distillation)",
    )
    parser.add_argument("--folds", type=int, default=6, help="one fold of so many validates")
    parser.add_argument("--fold", type=int, default=0, help="which one, from 0")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument(
        "--area",
        type=float,
        nargs=2,
        default=default.augmentation.area,
        metavar=("LEAST", "MOST"),
        help="part of an image's area that a crop keeps; above 1 the image gets a black frame",
    )
    parser.add_argument(
        "--texture",
        type=float,
        default=default.augmentation.texture,
        metavar="SHARE",
        help="share of the images whose sharpness and noise change",
    )
    parser.add_argument(
        "--label-smoothing",
        type=float,
        help=f"how much of each target is spread over all (default: {default.label_smoothing}, and "
        "0 for what --teachers say)",
    )
    parser.add_argument(
        "--average",
        type=float,
        default=default.average,
        help="momentum of the averaged weights, 0 for none",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use only N images, drawn by seed")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--screen",
        action="store_true",
        help="to compare recipes: fit no input check; a file made of it answers any picture",
    )
    parser.add_argument(
        "--preview", type=Path, metavar="PNG", help="only draw a sheet of augmented images"
    )


def train(arguments: argparse.Namespace) -> int:
    """Train a network."""
    from training.architectures import has_evidence
    from training.augment import Augmentation, preview
    from training.input_check import prepare
    from training.train import Recipe, train
    from training.validation import record

    folders = [arguments.folder, *arguments.also]
    samples = [sample for folder in folders for sample in find_samples(folder)]
    images = load(samples)
    _report_skipped(images)
    if arguments.limit:
        chosen = np.random.default_rng(arguments.seed).permutation(len(images))[: arguments.limit]
        images = images.take(np.sort(chosen))
    ranges = Augmentation(area=tuple(arguments.area), texture=arguments.texture)
    if arguments.preview:
        arguments.preview.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(preview(images, ranges, arguments.seed)).save(arguments.preview, "PNG")
        return 0
    _check_relatives(arguments.start)
    # the split does not follow the seed of the run, so that seeds can be compared
    training, validation = split(images, arguments.folds, arguments.fold, seed=0)
    smoothing = arguments.label_smoothing
    if smoothing is None:
        smoothing = 0.0 if arguments.teachers else Recipe.label_smoothing
    recipe = Recipe(
        architecture=arguments.arch,
        phases=tuple(arguments.phase or Recipe.phases),
        seed=arguments.seed,
        augmentation=ranges,
        label_smoothing=smoothing,
        average=arguments.average,
        start=tuple(_network(run, validation, arguments.arch) for run in arguments.start),
        teachers=tuple(_network(run, validation) for run in arguments.teachers),
    )
    main = [sample.source == arguments.folder.name for sample in training.samples]
    times = np.where(main, 1, arguments.also_times)
    training = training.take(np.repeat(np.arange(len(training)), times))
    notes = {
        "sources": [folder.name for folder in folders],
        "also_times": arguments.also_times,
        "folds": arguments.folds,
        "fold": arguments.fold,
        "limit": arguments.limit,
        "skipped_files": len(images.skipped),
        "command": shlex.join(["pneumonia", "train", *sys.argv[2:]]),
    }
    model = train(recipe, training, validation, arguments.out, notes, arguments.resume)
    record(model, validation, arguments.out)
    if has_evidence(model) and not arguments.screen:
        prepare(model, training, validation, arguments.out)
    print(f"The trained network is {arguments.out}/model.keras")
    return 0


def _network(run: Path, validation: Dataset, architecture: str | None = None) -> str:
    """The network file of a run to learn from, which must have held out the same images."""
    from training.data import DataError
    from training.train import CONFIGURATION_FILE, MODEL_FILE

    file = run / MODEL_FILE
    for needed in (file, run / CONFIGURATION_FILE):
        if not needed.is_file():
            raise DataError(f"There is no {needed} to learn from.")
    earlier = json.loads((run / CONFIGURATION_FILE).read_text())
    if earlier["validation_fingerprint"] != validation.fingerprint():
        raise DataError(
            f"{run} learnt from images that this run holds out. Use the same folders and folds."
        )
    if architecture not in (None, earlier["recipe"]["architecture"]):
        raise DataError(f"{run} is no {architecture}; start from a run of the same --arch.")
    return str(file)


def _check_relatives(runs: list[Path]) -> None:
    """Networks that grew apart from different starts have no meaningful mean."""
    from training.data import DataError
    from training.train import CONFIGURATION_FILE

    files = [run / CONFIGURATION_FILE for run in runs]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise DataError(f"There is no {missing[0]}; start from a run of `pneumonia train`.")
    starts = [json.loads(file.read_text())["recipe"].get("start") for file in files]
    if len(runs) > 1 and not all(starts):
        raise DataError("Runs are averaged only where each has a --start, the same for all.")
    if any(start != starts[0] for start in starts):
        raise DataError("The runs to start from have different starts and cannot be averaged.")


def _report_skipped(images: Dataset) -> None:
    for line in images.skipped:
        print(f"skipped {line}")


def evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pneumonia evaluate`."""
    parser.add_argument("model", type=Path, help="a .keras or an .onnx file")
    parser.add_argument("folder", type=Path, help="{test}/{NORMAL,PNEUMONIA} or {NORMAL,PNEUMONIA}")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument(
        "--part",
        choices=("train", "val", "test"),
        default="test",
        help="which part of a divided data set is scored (default: test)",
    )
    parser.add_argument(
        "--only",
        type=Path,
        metavar="FILE",
        help="score only the images this file lists, such as a run's validation.txt",
    )
    parser.add_argument("--operating-point", default="balanced", help="of an .onnx file")
    parser.add_argument(
        "--shifts", action="store_true", help="score every named shift as well (shifts.json)"
    )
    parser.add_argument(
        "--audit",
        action="store_true",
        help="hide parts of the images and test the evidence map of an .onnx file (audit.json)",
    )
    parser.add_argument(
        "--out-of-distribution",
        type=Path,
        metavar="FOLDER",
        help="images that are not chest X-rays: reports how many an .onnx file refuses "
        "(out_of_distribution.json)",
    )


def evaluate(arguments: argparse.Namespace) -> int:
    """Score a model file and write a report.

    Raises:
        DataError: no image to score, no such folder of images, or an audit or such a folder asked
            for a file that is not ``.onnx``.
    """
    from training.audit import audit
    from training.data import DataError
    from training.evaluate import evaluate
    from training.out_of_distribution import score_out_of_distribution
    from training.report import write_report, write_shifts
    from training.shifts import SHIFTS

    if (arguments.audit or arguments.out_of_distribution) and arguments.model.suffix != ".onnx":
        raise DataError(
            f"--audit and --out-of-distribution need an .onnx file; make one of "
            f"{arguments.model} with `pneumonia export`."
        )
    if arguments.out_of_distribution and not arguments.out_of_distribution.is_dir():
        raise DataError(f"There is no folder {arguments.out_of_distribution} of pictures.")
    parts = (arguments.part,) if arguments.only is None else ("train", "val", "test")
    samples = find_samples(arguments.folder, parts)
    if arguments.only is not None:
        if not arguments.only.is_file():
            raise DataError(f"There is no file {arguments.only}; --only needs a list of images.")
        names = set(arguments.only.read_text().split("\n"))
        samples = [one for one in samples if f"{one.source}/{one.path.name}" in names]
        if not samples:
            raise DataError(f"{arguments.only} lists no image of {arguments.folder}.")
    evaluation = evaluate(arguments.model, samples, arguments.operating_point)
    write_report(evaluation, arguments.out)
    for name in ("auroc", "accuracy", "sensitivity", "specificity", "ece"):
        if name in evaluation.figures:
            rate = evaluation.figures[name]
            print(f"{name} {rate.value:.4f} ({rate.low:.4f} to {rate.high:.4f})")
    if arguments.shifts:
        shifted = {
            shift.name: evaluate(arguments.model, samples, arguments.operating_point, shift)
            for shift in SHIFTS
        }
        write_shifts({"clean": evaluation, **shifted}, arguments.out)
    if arguments.audit:
        figures = audit(arguments.model, load(samples), arguments.out)
        for name, rate in figures.items():
            print(f"{name} {rate.value:.4f} ({rate.low:.4f} to {rate.high:.4f})")
    if arguments.out_of_distribution:
        refused, skipped = score_out_of_distribution(
            arguments.model, arguments.out_of_distribution, arguments.out
        )
        for line in skipped:
            print(f"skipped {line}")
        print(f"refused {refused.value:.4f} ({refused.low:.4f} to {refused.high:.4f})")
    print(f"The report is {arguments.out}/report.md")
    return 0
