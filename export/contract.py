"""The contract of a model file, the same way for `export` and `calibrate`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from export.calibration import operating_points, prevalence, probability_histogram
from export.pack import open_graph
from export.pool import Pool
from export.reliability import measure_subtypes
from export.run import Run
from export.scaling import Scaling
from service.inference.contract import (
    Contract,
    Golden,
    Histogram,
    InputSpec,
    LungRule,
    golden_pattern,
    pattern_hash,
)
from service.inference.operating_point import SubtypeRule
from training.conflicting import SHARE
from training.validation import Validation

_POPULATION = "not stated"
_GOLDEN_PATTERNS = 3


@dataclass(frozen=True)
class Identity:
    """What the contract says of a model that no run knows.

    Attributes:
        name: of the model.
        version: of the model.
        population: whom the training images show, in a sentence; None where not stated.
        ages: youngest and oldest age in years for which the figures hold; None where not stated.
    """

    name: str
    version: str
    population: str | None = None
    ages: tuple[int, int] | None = None


@dataclass(frozen=True)
class CalibratedGraph:
    """A graph with its scaling, and what was measured of it.

    Attributes:
        graph: with the output ``probabilities``.
        validation: the graph's logits for the run's validation images.
        scaling: the one inside the graph.
        parity: of graph and network, by :func:`export.parity.check_parity`.
        metrics: further figures.
        lung_rule: limits for the graph's ``lung_mask``; None where it locates no lungs.
    """

    graph: onnx.ModelProto
    validation: Validation
    scaling: Scaling
    parity: dict[str, float]
    metrics: dict[str, float]
    lung_rule: LungRule | None = None


def make_contract(
    run: Run, made: CalibratedGraph, identity: Identity, objections: tuple[str, ...] = ()
) -> Contract:
    """The contract of a graph made from a run, with what spoke against exporting it."""
    configuration = run.configuration
    labels = configuration.label_set
    pool = Pool.of(made.validation, run.source)
    validation = made.validation
    ours = validation.sources == run.source
    data = (
        f"{_held_out(run)}, clean and under {len(validation.shifts) - 1} named shifts, "
        f"{np.count_nonzero(validation.conflicting[ours])} of them conflicting and repeated to "
        f"{SHARE:.0%} of each side"
    )
    distances = {} if run.distances is None else {"distance": run.distances}
    fields = _calibration(made.graph, pool, made.scaling, data, run.size, SubtypeRule(), distances)
    return Contract(
        name=identity.name,
        version=identity.version,
        labels=labels.names,
        pneumonia_labels=labels.positive,
        finding=labels.finding,
        input=InputSpec(height=run.size, width=run.size),
        input_check_limit=run.check.limit if run.check else None,
        lung_rule=made.lung_rule,
        population=identity.population or _POPULATION,
        population_age_years=identity.ages,
        training_data=(
            f"{configuration.training_images} images of {configuration.training_patients} patients "
            f"from {' and '.join(configuration.sources)}, fingerprint "
            f"{configuration.training_fingerprint[:16]}"
        ),
        objections=objections,
        metrics=made.metrics,
        parity=made.parity,
        libraries={
            **configuration.versions,
            **{name: version(name) for name in ("onnx", "onnxruntime", "tf2onnx")},
        },
        **fields,
    )


def _held_out(run: Run) -> str:
    rows = run.calibration.sources == run.source
    # an image that two networks held out has two
    patients = len(np.unique(run.calibration.groups[rows]))
    count = f"{rows.sum()} predictions for images of {patients} patients"
    if run.out_of_fold is None or run.out_of_fold.folds is None:
        return f"{count} of {run.source} held out of the training of what predicted them"
    return (
        f"{count} of {run.source}, each by one of "
        f"{len(np.unique(run.out_of_fold.folds))} networks that was not trained on its patient"
    )


def recalibrated(
    before: Contract,
    graph: onnx.ModelProto,
    pool: Pool,
    scaling: Scaling,
    images: int,
    site: str,
) -> Contract:
    """The contract of a graph that got another scaling.

    Args:
        before: the contract until now.
        graph: with the new scaling.
        pool: what that was fitted on.
        scaling: the new one.
        images: how many images the pool was made of.
        site: whose images they are.
    """
    data = (
        f"{images} labelled images of {len(np.unique(pool.patients))} patients of "
        f"{site} given to `pneumonia calibrate`"
    )
    fields = _calibration(
        graph,
        pool,
        scaling,
        data,
        before.input.height,
        before.subtype_rule,
        before.reference_histograms,
    )
    calibrated = f"{before.version.split('+')[0]}+calibrated"
    return Contract(**{**dict(before), "version": calibrated, "site": site, **fields})


def _calibration(
    graph: onnx.ModelProto,
    pool: Pool,
    scaling: Scaling,
    data: str,
    size: int,
    rule: SubtypeRule,
    histograms: Mapping[Any, Histogram],
) -> dict[str, Any]:
    """The fields of the contract that follow from a scaling and the images it was fitted on.

    Of the reference histograms that is the one of the probability; the others are handed on.
    """
    session = open_graph(graph)
    points = operating_points(pool, scaling, data)
    balanced = next(point for point in points if point.name == "balanced")
    return {
        "created": datetime.now(UTC).replace(microsecond=0),
        "temperature": scaling.temperature,
        "offset": scaling.offset,
        "subtype_temperature": scaling.subtype_temperature,
        "operating_points": points,
        # images that do not tell subtypes leave what is known of the rule
        "subtype_rule": measure_subtypes(pool, scaling, balanced, rule, data) or rule,
        "calibration": data,
        "calibration_prevalence": prevalence(pool),
        "reference_histograms": {**histograms, "probability": probability_histogram(pool, scaling)},
        "golden": tuple(_golden(session, number, size) for number in range(_GOLDEN_PATTERNS)),
    }


def _golden(session: ort.InferenceSession, number: int, size: int) -> Golden:
    pattern = golden_pattern(number, size, size)
    outputs = [output.name for output in session.get_outputs()]
    values = dict(zip(outputs, session.run(outputs, {"image": pattern[np.newaxis]}), strict=True))
    return Golden(
        pattern=number,
        sha256=pattern_hash(pattern),
        probabilities=tuple(float(value) for value in values["probabilities"][0]),
        distance=float(values["distance"][0]) if "distance" in values else None,
    )
