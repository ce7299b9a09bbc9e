"""`pneumonia export` and `pneumonia calibrate`."""

import argparse
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from service.errors import ModelFileError
from service.inference.contract import Contract, Histogram, InputSpec

if TYPE_CHECKING:
    import onnx
    import onnxruntime as ort

    from export.run import Run
    from export.scaling import Scaling
    from training.validation import Validation

_POPULATION = "not stated"
_FEWEST_TO_CALIBRATE = 30


def export_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pneumonia export`."""
    parser.add_argument("run", type=Path, help="folder that `pneumonia train` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")
    parser.add_argument("--name", help="name in the contract (default: the file's name)")
    parser.add_argument("--model-version", default="1.0.0", help="version in the contract")
    parser.add_argument(
        "--population", help="who the training images show, a sentence (default: not stated)"
    )
    parser.add_argument(
        "--ages",
        type=int,
        nargs=2,
        metavar=("YOUNGEST", "OLDEST"),
        help="years of age that the figures hold for; others are warned of (default: not stated)",
    )
    parser.add_argument(
        "--int8",
        type=Path,
        metavar="FOLDER",
        help="compute with eight bits if that loses nothing on the held-out images of FOLDER, the "
        "first data set of the run",
    )


def export(arguments: argparse.Namespace) -> int:
    """Turn a run into a model file.

    Raises:
        RunError: the folder holds no finished run.
        ParityError: the file would compute something else than the network.
        DataError: with ``--int8``, a folder without the images that the run held out.
        QuantizationError: with ``--int8``, the file would be worse than the network.
    """
    from export.run import Run

    run = Run.load(arguments.run)
    if run.check is None:
        print(
            "This run has no input check (a network without evidence, or --screen): the file will "
            "answer whatever picture it is sent, a photograph too.",
            file=sys.stderr,
        )
    if arguments.population is None or arguments.ages is None:
        print(
            "Give --population and --ages, so that the file says whom its figures hold for and "
            "warns of others.",
            file=sys.stderr,
        )
    if arguments.int8 is None:
        _export_float32(arguments, run)
    else:
        _export_int8(arguments, run)
    return 0


def _export_float32(arguments: argparse.Namespace, run: "Run") -> None:
    from export.calibration import Pool, fit_scaling
    from export.pack import open_graph
    from export.parity import TOLERANCE
    from export.to_onnx import build_graph

    scaling = fit_scaling(Pool.of(run.validation, run.source))
    graph = build_graph(run.model, scaling, run.check)
    parity = _parity(open_graph(graph), run, scaling, TOLERANCE)
    _pack(arguments, run, graph, run.validation, scaling, parity, {})


def _export_int8(arguments: argparse.Namespace, run: "Run") -> None:
    from export.calibration import Pool, fit_scaling
    from export.pack import open_graph
    from export.parity import INT8_TOLERANCE
    from export.quantize import (
        calibration_images,
        check_quality,
        compare,
        quantize,
        refusals,
        validate,
    )
    from export.run import find_held_out
    from export.scaling import Scaling, add_probabilities, set_scaling
    from export.to_onnx import convert

    held_out = find_held_out(run, arguments.int8)
    data, known = held_out.data, held_out.known
    plain = convert(run.model, run.check)
    graph = quantize(plain, calibration_images(held_out.others, run.size))
    for made in (plain, graph):
        add_probabilities(made, Scaling())
    session = open_graph(graph)
    answered = validate(session, data, known)
    pools = [Pool.of(one, run.source) for one in (known, answered)]
    scalings = [fit_scaling(pool) for pool in pools]
    refused = refusals(open_graph(plain), session, run.check.limit, data) if run.check else {}
    comparison = compare((known, scalings[0]), (answered, scalings[1]), refused)
    metrics = {
        f"{figure}_{kind}": value
        for figure, values in comparison.items()
        for kind, value in values.items()
    }
    for name, value in metrics.items():
        print(f"{name} {value:.4f}")
    check_quality(comparison)
    set_scaling(graph, scalings[1])
    parity = _parity(open_graph(graph), run, scalings[1], INT8_TOLERANCE)
    _pack(arguments, run, graph, answered, scalings[1], parity, metrics)


def _parity(
    session: "ort.InferenceSession", run: "Run", scaling: "Scaling", tolerance: float
) -> dict[str, float]:
    from export.parity import check_parity
    from training.data import at_size

    images = at_size(run.validation.images, run.size)
    return check_parity(session, run.model, images, scaling, tolerance)


def _pack(
    arguments: argparse.Namespace,
    run: "Run",
    graph: "onnx.ModelProto",
    validation: "Validation",
    scaling: "Scaling",
    parity: dict[str, float],
    metrics: dict[str, float],
) -> None:
    """Describe a graph by what it says of the validation images, and write it."""
    from export.calibration import Pool, operating_points, probability_histogram
    from export.pack import golden, open_graph, write
    from training.data import LABELS, PNEUMONIA_LABELS

    made = run.configuration
    pool = Pool.of(validation, run.source)
    histograms: dict[Literal["probability", "distance"], Histogram] = {
        "probability": probability_histogram(pool, scaling)
    }
    if run.distances is not None:
        histograms["distance"] = run.distances
    described = (
        f"{made['validation_images']} validation images of {made['validation_patients']} patients "
        f"held out of training, those of {run.source}, clean and under "
        f"{len(validation.shifts) - 1} named shifts"
    )
    contract = Contract(
        name=arguments.name or arguments.out.stem,
        version=arguments.model_version,
        created=datetime.now(UTC).replace(microsecond=0),
        labels=LABELS,
        pneumonia_labels=PNEUMONIA_LABELS,
        input=InputSpec(height=run.size, width=run.size),
        **asdict(scaling),
        operating_points=operating_points(pool, scaling, described),
        calibration=described,
        input_check_limit=run.check.limit if run.check else None,
        population=arguments.population or _POPULATION,
        population_age_years=arguments.ages,
        training_data=(
            f"{made['training_images']} images of {made['training_patients']} patients from "
            f"{' and '.join(made['sources'])}, fingerprint {made['training_fingerprint'][:16]}"
        ),
        reference_histograms=histograms,
        metrics=metrics,
        parity=parity,
        libraries={
            **made["versions"],
            **{name: version(name) for name in ("onnx", "onnxruntime", "tf2onnx")},
        },
        golden=golden(open_graph(graph), run.size),
    )
    write(graph, contract, arguments.out)


def calibrate_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pneumonia calibrate`."""
    parser.add_argument("model", type=Path, help="an .onnx file that `pneumonia export` wrote")
    parser.add_argument("folder", type=Path, help="labelled images, {NORMAL,PNEUMONIA}")
    parser.add_argument("--out", type=Path, required=True, metavar="NEW.onnx")
    parser.add_argument(
        "--part",
        choices=("train", "val", "test"),
        default="val",
        help="which part of a divided data set is used (default: val)",
    )


def calibrate(arguments: argparse.Namespace) -> int:
    """Refit scaling and thresholds of a model file on labelled images of one's own.

    Raises:
        DataError: too few images that the model answers.
        ModelFileError: the file cannot be used.
    """
    import onnx

    from export.calibration import Pool, fit_scaling, operating_points, probability_histogram
    from export.pack import golden, open_graph, write
    from export.scaling import Scaling, has_scaling, set_scaling
    from training.data import DataError, find_samples
    from training.evaluate import evaluate

    if not arguments.model.is_file():
        raise DataError(f"There is no model file {arguments.model}.")
    graph = onnx.load(arguments.model)
    if not has_scaling(graph):
        raise ModelFileError(
            "the model file's probabilities have no numbers to refit; export it again"
        )
    evaluation = evaluate(arguments.model, find_samples(arguments.folder, (arguments.part,)))
    scores = evaluation.scores
    fewest = min(int(scores.y_true.sum()), int((~scores.y_true).sum()))
    if fewest < _FEWEST_TO_CALIBRATE:
        raise DataError(
            f"Only {fewest} images of one class were answered; calibrating needs at least "
            f"{_FEWEST_TO_CALIBRATE} of each."
        )
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    before = Contract.from_metadata(metadata)
    scaling = Scaling(before.temperature, before.offset, before.subtype_temperature)
    pool = Pool(scaling.logits(scores.probabilities), scores.truth, scores.patients)
    fitted = fit_scaling(pool)
    if len(np.unique(scores.truth[scores.truth > 0])) < 2:  # nothing was learnt of them
        fitted = replace(fitted, subtype_temperature=scaling.subtype_temperature)
    set_scaling(graph, fitted)
    described = (
        f"{len(scores.truth)} labelled images of {len(np.unique(scores.patients))} patients given "
        f"to `pneumonia calibrate`"
    )
    contract = before.model_copy(
        update={
            "version": f"{before.version.split('+')[0]}+calibrated",
            "created": datetime.now(UTC).replace(microsecond=0),
            **asdict(fitted),
            "operating_points": operating_points(pool, fitted, described),
            "calibration": described,
            "reference_histograms": {
                **before.reference_histograms,
                "probability": probability_histogram(pool, fitted),
            },
            "golden": golden(open_graph(graph), before.input.height),
        }
    )
    write(graph, contract, arguments.out)
    return 0
