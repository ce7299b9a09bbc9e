"""Refit the scaling and the operating points of a model file to a user's own images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.calibration import fit_scaling, threshold_intervals
from export.contract import recalibrated
from export.pool import Pool
from export.reliability import share
from export.scaling import Scaling, has_scaling, set_scaling
from service.errors import ModelFileError
from service.inference.contract import Contract
from service.inference.operating_point import Rate
from training.budgets import FEWEST_IMAGES
from training.conflicting import answered, repeats
from training.data import DataError, Sample, find_samples, load
from training.evaluate import Evaluation, evaluate
from training.labels import LabelSet
from training.layouts import name_and_place
from training.metrics import interval
from training.shortcuts import find_conflicting

LONGEST_SITE = 100  # letters


@dataclass(frozen=True)
class Recalibration:
    """A scaling and operating points that are proposed, beside those in use.

    Attributes:
        graph: with the new scaling.
        contract: of it.
        thresholds: by operating point, with the interval in which they would lie for other
            patients like these.
        now: sensitivity and specificity of the thresholds in use, on the same images.
    """

    graph: onnx.ModelProto
    contract: Contract
    thresholds: dict[str, Rate]
    now: dict[str, tuple[Rate, Rate]]


def recalibrate(
    model: Path, folder: Path, part: str = "val", site: str | None = None
) -> Recalibration:
    """Fit a model file's scaling and operating points to labelled images.

    Args:
        model: an ``.onnx`` file of `pneumonia export`.
        folder: labelled images.
        part: which part of a divided data set is used.
        site: whose images they are; by default the data set's name.

    Raises:
        DataError: there is no such file, or the model answers too few images of a class.
        ModelFileError: the file cannot be used.
    """
    if not model.is_file():
        raise DataError(f"There is no model file {model}.")
    graph = onnx.load(model)
    if not has_scaling(graph):
        raise ModelFileError("the model file's probabilities have no scaling; export it again")
    samples = find_samples(folder, (part,))
    evaluation = evaluate(model, samples)
    scores = evaluation.scores
    fewest = min(int(scores.y_true.sum()), int((~scores.y_true).sum()))
    if fewest < FEWEST_IMAGES:
        raise DataError(
            f"Only {fewest} images of one class were answered; calibrating needs at least "
            f"{FEWEST_IMAGES} of each."
        )
    before = Contract.from_metadata({entry.key: entry.value for entry in graph.metadata_props})
    labels = LabelSet.of_contract(before)
    if labels.names != before.labels:
        raise ModelFileError(
            "the model file's labels are not in the order of `pneumonia export`, those without "
            "disease first; export it again"
        )
    scaling = Scaling(
        before.temperature, before.offset, before.subtype_temperature, labels.negatives
    )
    images = len(scores.truth)
    rows = np.repeat(np.arange(images), _repeats(evaluation, samples))
    scores = scores.take(rows)
    pool = Pool(scaling.logits(scores.probabilities), scores.truth, scores.patients, labels)
    fitted = fit_scaling(pool)
    if not pool.sides:
        fitted = replace(fitted, subtype_temperature=scaling.subtype_temperature)
    set_scaling(graph, fitted)
    return Recalibration(
        graph,
        recalibrated(
            before, graph, pool, fitted, images, site or name_and_place(folder)[0][:LONGEST_SITE]
        ),
        threshold_intervals(pool, fitted),
        {
            point.name: (
                _share(scores.probability >= point.threshold, scores.y_true, scores.patients),
                _share(scores.probability < point.threshold, ~scores.y_true, scores.patients),
            )
            for point in before.operating_points
        },
    )


def _share(said: NDArray[np.bool_], among: NDArray[np.bool_], patients: NDArray[np.int64]) -> Rate:
    return interval(lambda rows: share(said[rows], among[rows]), patients)


def _repeats(evaluation: Evaluation, samples: Sequence[Sample]) -> NDArray[np.int64]:
    """How often each answered image counts, so that what its device says of it counts less."""
    data = answered(evaluation, load(samples, labels=evaluation.scores.labels))
    misleading = np.isin(np.arange(len(data)), find_conflicting(data))
    return repeats(misleading, evaluation.scores.y_true)
