"""`pneumonia export` and `pneumonia calibrate`."""

import argparse
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from service.contract import Contract, Golden, Histogram, InputSpec, golden_pattern, pattern_hash
from service.errors import PneumoniaError

if TYPE_CHECKING:
    import onnx

_POPULATION = (
    "Frontal chest X-rays of children aged 1 to 5 at one centre in Guangzhou, China; the training "
    "data may hold other people too, for whom the figures do not speak"
)
_AGES = (1, 5)
_GOLDEN_PATTERNS = 3
_FEWEST_TO_CALIBRATE = 30


class RunError(PneumoniaError):
    """A folder that holds no finished run."""

    code = "run"


def export_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pneumonia export`."""
    parser.add_argument("run", type=Path, help="folder that `pneumonia train` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")
    parser.add_argument("--name", help="name in the contract (default: the file's name)")
    parser.add_argument("--model-version", default="1.0.0", help="version in the contract")
    parser.add_argument("--population", default=_POPULATION, help="who the training images show")
    parser.add_argument(
        "--ages",
        type=int,
        nargs=2,
        default=_AGES,
        metavar=("YOUNGEST", "OLDEST"),
        help="years of age that the figures hold for; others are warned of (default: 1 5)",
    )


def export(arguments: argparse.Namespace) -> int:
    """Turn a run into a model file.

    Raises:
        RunError: the folder holds no finished run.
        ParityError: the file would compute something else than the network.
    """
    configuration_file = arguments.run / "configuration.json"
    missing = [
        name
        for name in ("configuration.json", "model.keras", "validation.npz")
        if not (arguments.run / name).is_file()
    ]
    if missing:
        raise RunError(
            f"{arguments.run} holds no finished run ({', '.join(missing)} missing). "
            "Finish it with `pneumonia train --resume`."
        )
    import keras
    import onnxruntime as ort

    from export.calibration import Pool, fit_temperature, operating_points, probability_histogram
    from export.parity import check_parity
    from export.to_onnx import build_graph
    from training.data import LABELS, PNEUMONIA_LABELS, at_size
    from training.input_check import INPUT_CHECK_FILE, REPORT_FILE, InputCheck
    from training.validation import Validation

    configuration = json.loads(configuration_file.read_text())
    validation = Validation.load(arguments.run / "validation.npz")
    model = keras.models.load_model(arguments.run / "model.keras", compile=False)
    size = model.input_shape[1]
    pool = Pool.of(validation, configuration["sources"][0])
    temperature = fit_temperature(pool)
    histograms: dict[Literal["probability", "distance"], Histogram] = {
        "probability": probability_histogram(pool, temperature)
    }
    check = None
    if (arguments.run / INPUT_CHECK_FILE).is_file():
        check = InputCheck.load(arguments.run / INPUT_CHECK_FILE)
        report = json.loads((arguments.run / REPORT_FILE).read_text())
        histograms["distance"] = Histogram.model_validate(report["reference_histogram"])
    graph = build_graph(model, temperature, check)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    images = at_size(validation.images, size)
    parity = check_parity(session, model, images, temperature)
    described = (
        f"{configuration['validation_images']} validation images of "
        f"{configuration['validation_patients']} patients held out of training, those of "
        f"{configuration['sources'][0]}, clean and under {len(validation.shifts) - 1} named shifts"
    )
    contract = Contract(
        name=arguments.name or arguments.out.stem,
        version=arguments.model_version,
        created=datetime.now(UTC).replace(microsecond=0),
        labels=LABELS,
        pneumonia_labels=PNEUMONIA_LABELS,
        input=InputSpec(height=size, width=size),
        temperature=temperature,
        operating_points=operating_points(pool, temperature, described),
        calibration=described,
        input_check_limit=check.limit if check else None,
        population=arguments.population,
        population_age_years=arguments.ages,
        training_data=(
            f"{configuration['training_images']} images of {configuration['training_patients']} "
            f"patients from {' and '.join(configuration['sources'])}, fingerprint "
            f"{configuration['training_fingerprint'][:16]}"
        ),
        reference_histograms=histograms,
        metrics={},
        parity=parity,
        libraries={
            **configuration["versions"],
            **{name: version(name) for name in ("onnx", "onnxruntime", "tf2onnx")},
        },
        golden=tuple(_golden(session, number, size) for number in range(_GOLDEN_PATTERNS)),
    )
    _write(graph, contract, arguments.out)
    return 0


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
    """Refit temperature and thresholds of a model file on labelled images of one's own.

    Raises:
        DataError: too few images that the model answers.
        ModelFileError: the file cannot be used.
    """
    import onnx
    import onnxruntime as ort

    from export.calibration import Pool, fit_temperature, operating_points, probability_histogram
    from export.to_onnx import set_temperature
    from training.data import DataError, find_samples
    from training.evaluate import evaluate

    evaluation = evaluate(arguments.model, find_samples(arguments.folder, (arguments.part,)))
    scores = evaluation.scores
    fewest = min(int(scores.ill.sum()), int((~scores.ill).sum()))
    if fewest < _FEWEST_TO_CALIBRATE:
        raise DataError(
            f"Only {fewest} images of one class were answered; calibrating needs at least "
            f"{_FEWEST_TO_CALIBRATE} of each."
        )
    graph = onnx.load(arguments.model)
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    before = Contract.from_metadata(metadata)
    # the logits up to a constant a row, which no softmax sees
    logits = before.temperature * np.log(np.maximum(scores.probabilities, 1e-30))
    pool = Pool(logits, scores.truth, scores.patients)
    temperature = fit_temperature(pool)
    set_temperature(graph, temperature)
    described = (
        f"{len(scores.truth)} labelled images of {len(np.unique(scores.patients))} patients given "
        f"to `pneumonia calibrate`"
    )
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    contract = before.model_copy(
        update={
            "version": f"{before.version.split('+')[0]}+calibrated",
            "created": datetime.now(UTC).replace(microsecond=0),
            "temperature": temperature,
            "operating_points": operating_points(pool, temperature, described),
            "calibration": described,
            "reference_histograms": {
                **before.reference_histograms,
                "probability": probability_histogram(pool, temperature),
            },
            "golden": tuple(
                _golden(session, golden.pattern, before.input.height) for golden in before.golden
            ),
        }
    )
    _write(graph, contract, arguments.out)
    return 0


def _write(graph: "onnx.ModelProto", contract: Contract, out: Path) -> None:
    del graph.metadata_props[:]
    for key, value in contract.to_metadata().items():
        graph.metadata_props.add(key=key, value=value)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(graph.SerializeToString())
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, temperature {contract.temperature:.3f}")
    for point in contract.operating_points:
        print(
            f"{point.name}: threshold {point.threshold:.4f}, sensitivity "
            f"{point.sensitivity.value:.4f}, specificity {point.specificity.value:.4f}"
        )


def _golden(session, number: int, size: int) -> Golden:  # type: ignore[no-untyped-def]
    pattern = golden_pattern(number, size, size)
    outputs = [output.name for output in session.get_outputs()]
    values = dict(zip(outputs, session.run(outputs, {"image": pattern[np.newaxis]}), strict=True))
    return Golden(
        pattern=number,
        sha256=pattern_hash(pattern),
        probabilities=tuple(float(value) for value in values["probabilities"][0]),
        distance=float(values["distance"][0]) if "distance" in values else None,
    )
