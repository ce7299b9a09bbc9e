"""What one network says of the yardstick's images it never learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from service.inference.model import OnnxModel
from service.inference.predictor import Predictor
from training.configuration import MODEL_FILE, RunConfiguration
from training.data import DataError
from training.labels import CHILDREN as CHILDRENS_LABELS
from training.shortcuts import Booleans, Floats, Integers
from training.train import predict_logits
from training.yardstick.images import ADULTS, CHILDREN, SCREENING, Images

HELD_OUT_FILE = "validation.txt"


@dataclass(frozen=True)
class Scores:
    """The answers of one network, aligned with the yardstick's images.

    Attributes:
        probability: float64 ``[N]``, of pneumonia; NaN where the network learnt from the image.
        viral: float64 ``[N]``, share of the viral label in it; NaN likewise.
        refused: float64 ``[N]``, 1 where the input check refuses; NaN without an input check.
        uncertain: float64 ``[N]``, 1 where the decision is ``uncertain``; NaN likewise.
        threshold: pneumonia at or above it.
    """

    probability: Floats
    viral: Floats
    refused: Floats
    uncertain: Floats
    threshold: float

    @property
    def held_out(self) -> Booleans:
        """bool ``[N]``: images that the network did not learn from."""
        return ~np.isnan(self.probability)


def score(run: Path, images: Images) -> Scores:
    """Let the network of a run answer what it held out, and the screening images.

    Args:
        run: a run folder, all adults of which are held out where they are none of its data sets;
            or one with ``validation.txt``, the names of the held-out images, and one ``.onnx``
            file.
        images: of the yardstick.

    Raises:
        DataError: the folder holds no list or not exactly one network, or the list names an image
            of others.
        ModelFileError: the ONNX file cannot be used.
        ConfigurationError: the configuration of the run cannot be read.
    """
    # a run also keeps the network with which it could go on
    models = [*run.glob(MODEL_FILE), *run.glob("*.onnx")]
    if len(models) != 1 or not (run / HELD_OUT_FILE).is_file():
        raise DataError(f"{run} must hold {MODEL_FILE} or one .onnx file, and {HELD_OUT_FILE}.")
    held_out = images.rows((run / HELD_OUT_FILE).read_text().split())
    if models[0].suffix != ".onnx":
        learnt = set(RunConfiguration.read(run).sources)
        held_out |= (images.part == ADULTS) & [source not in learnt for source in images.sources]
    rows = np.flatnonzero(held_out | (images.part == SCREENING))
    probability, viral, refused, uncertain = np.full((4, len(images)), np.nan)
    if models[0].suffix == ".onnx":
        answers, doubts, threshold = _through_service(models[0], images, rows)
        refused[rows], uncertain[rows] = doubts.T
    else:
        network = keras.models.load_model(models[0], compile=False)
        logits = predict_logits(network, images.pixels[rows])
        answers = np.asarray(keras.ops.softmax(logits), np.float64)
    probability[rows] = 1 - answers[:, 0]
    viral[rows] = answers[:, 2] / np.maximum(answers[:, 1:].sum(axis=1), 1e-12)
    if models[0].suffix != ".onnx":
        threshold = _threshold(probability, images)
    return Scores(probability, viral, refused, uncertain, threshold)


def together(runs: Sequence[Scores], images: Images) -> Scores:
    """Several networks as one that answers with the mean of their log odds, as an ensemble does.

    It has no calibration and no input check, whatever its members have.

    Args:
        runs: of networks that held out the same images.
        images: of the yardstick.

    Raises:
        DataError: they held out others.
    """
    if any((one.held_out != runs[0].held_out).any() for one in runs):
        raise DataError("Only runs that held out the same images can answer together.")
    each = np.clip([one.probability for one in runs], 1e-12, 1 - 1e-12)
    probability: Floats = 1 / (1 + np.exp(-np.mean(np.log(each) - np.log(1 - each), axis=0)))
    viral: Floats = np.mean([one.viral for one in runs], axis=0)
    unknown = np.full(len(images), np.nan)
    return Scores(probability, viral, unknown, unknown, _threshold(probability, images))


def _threshold(probability: Floats, images: Images) -> float:
    """That of a network without calibration; the half that reports has no say in it."""
    known = ~np.isnan(probability) & (images.part == CHILDREN)
    known &= images.choosing | ~images.conflicting
    return equal_error_threshold(probability[known], images.y_true[known])


def equal_error_threshold(probability: Floats, y_true: Booleans) -> float:
    """The threshold at which sensitivity and specificity are as equal as the images allow."""
    candidates = np.unique(probability)
    missed = np.searchsorted(np.sort(probability[y_true]), candidates) / y_true.sum()
    alarms = 1 - np.searchsorted(np.sort(probability[~y_true]), candidates) / (~y_true).sum()
    return float(candidates[np.argmin(np.abs(missed - alarms))])


def _through_service(file: Path, images: Images, rows: Integers) -> tuple[Floats, Floats, float]:
    """Through the service's own predictor, with its decoding, calibration and input check.

    An image that the input check refuses is answered all the same, so that no figure gains by what
    is refused.
    """
    model = OnnxModel(file)
    predictor = Predictor(model, refuse=False)
    answers, doubts = np.empty((len(rows), len(CHILDRENS_LABELS))), np.zeros((len(rows), 2))
    for place, row in enumerate(rows):
        said = predictor.predict(images.paths[row].read_bytes())
        answers[place] = [said.probabilities[label] for label in CHILDRENS_LABELS.names]
        doubts[place] = said.input_check.accepted is False, said.decision == "uncertain"
    return answers, doubts, model.contract.operating_point("balanced").threshold
