"""Score a model file on labelled images: a ``.keras`` network or a shipped ``.onnx`` file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from keras.utils import Progbar
from numpy.typing import NDArray
from PIL import Image

from service.errors import NotAChestXray, PneumoniaError
from service.imaging.decode import decode
from service.imaging.preprocess import DECODE_MARGIN, to_model_input
from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel
from service.inference.operating_point import Rate
from service.inference.predictor import Predictor
from training.budgets import CONFIDENT
from training.data import LABELS, SIZE, DataError, Sample, load
from training.metrics import Scores, confusion, measure_with_intervals, per_class
from training.shifts import NamedChange, apply

_COUNTED = ("images", "pneumonia", "normal", "uncertain", "refused", "confident_errors")


@dataclass(frozen=True)
class Answer:
    """A model's answer to one image, and the reference.

    Attributes:
        file: name of the file.
        patient: who is shown.
        truth: the reference label; ``pneumonia`` where the subtype is unknown.
        decision: of the model, or ``refused``.
        probabilities: one for each label; None where refused.
        distance: of the input check; None without one.
    """

    file: str
    patient: str
    truth: str
    decision: str
    probabilities: tuple[float, ...] | None
    distance: float | None


@dataclass(frozen=True)
class Evaluation:
    """The outcome of scoring one model on one data set.

    Attributes:
        model: name and version, or the file's name.
        data: name of the data set.
        operating_point: name of the rule, and its threshold.
        answers: one for each image that could be read.
        skipped: files that could not be read, with the reason.
        scores: the answered images as arrays.
        figures: every figure with its 95 % interval.
    """

    model: str
    data: str
    operating_point: str
    threshold: float
    answers: tuple[Answer, ...]
    skipped: tuple[str, ...]
    scores: Scores
    figures: dict[str, Rate]

    def to_json(self) -> dict[str, object]:
        """Everything except the single answers, as JSON types."""
        refused = sum(answer.decision == "refused" for answer in self.answers)
        return {
            "model": self.model,
            "data": self.data,
            "operating_point": self.operating_point,
            "threshold": self.threshold,
            "images": len(self.answers),
            "patients": len({answer.patient for answer in self.answers}),
            "refused": refused,
            "uncertain": sum(answer.decision == "uncertain" for answer in self.answers),
            "skipped": len(self.skipped),
            "prevalence": float(self.scores.y_true.mean()),
            "figures": {name: rate.model_dump() for name, rate in self.figures.items()},
            "per_class": per_class(self.scores, LABELS),
            "confusion": {"labels": LABELS, "rows": confusion(self.scores, len(LABELS))},
            "decisions": self.decisions(),
        }

    def decisions(self) -> dict[str, dict[str, int]]:
        """Counts by true label: images, each decision, refusals, and ``confident_errors``, in
        which the wrong class had a probability of ``CONFIDENT`` or more.
        """
        table: dict[str, dict[str, int]] = {}
        for answer in self.answers:
            row = table.setdefault(answer.truth, dict.fromkeys(_COUNTED, 0))
            row["images"] += 1
            row[answer.decision] += 1
            if answer.probabilities is not None:
                normal = answer.probabilities[0]
                wrong = 1 - normal if answer.truth == LABELS[0] else normal
                row["confident_errors"] += wrong >= CONFIDENT
        return table


def evaluate(
    model: Path,
    samples: Sequence[Sample],
    operating_point: str = "balanced",
    shift: NamedChange | None = None,
) -> Evaluation:
    """Score a model on labelled image files.

    An ``.onnx`` file is scored through the service's own predictor, refusals included; a
    ``.keras`` network gets the same pixels, is not calibrated, and is scored at a threshold of
    0.5. With a ``shift``, every image is first reduced to 224 x 224 and changed by it.

    Raises:
        DataError: the file is no model of these two formats, or no image was answered.
        ModelFileError: the ONNX file cannot be used.
        InvalidRequest: it has no such operating point.
    """
    if not model.is_file():
        raise DataError(f"There is no model file {model}.")
    if model.suffix == ".onnx":
        name, threshold, answers, skipped = _through_service(model, samples, operating_point, shift)
    elif model.suffix == ".keras":
        name, threshold, operating_point = model.name, 0.5, "probability 0.5"
        answers, skipped = _through_keras(model, samples, shift)
    else:
        raise DataError(f"{model} is neither a .keras nor an .onnx file.")
    scores = _to_scores(answers, threshold)
    return Evaluation(
        name,
        samples[0].source,
        operating_point,
        threshold,
        tuple(answers),
        tuple(skipped),
        scores,
        measure_with_intervals(scores),
    )


def _to_scores(answers: Sequence[Answer], threshold: float) -> Scores:
    answered = [answer for answer in answers if answer.probabilities is not None]
    if not answered:
        raise DataError("Not one image was answered; are these chest X-rays?")
    columns = {label: column for column, label in enumerate(LABELS)}
    patients = np.unique([answer.patient for answer in answered], return_inverse=True)[1]
    return Scores(
        np.array([answer.probabilities for answer in answered], np.float64),
        np.array([columns.get(answer.truth, -1) for answer in answered], np.int64),
        patients.astype(np.int64),
        threshold,
    )


def _through_service(
    path: Path, samples: Sequence[Sample], operating_point: str, shift: NamedChange | None
) -> tuple[str, float, list[Answer], list[str]]:
    model = OnnxModel(path)
    predictor = Predictor(model)
    point = model.contract.operating_point(operating_point)
    answers, skipped = [], []
    bar = Progbar(len(samples), unit_name="image")
    for number, sample in enumerate(samples, start=1):
        about = (sample.path.name, sample.patient, _truth(sample))
        try:
            predicted = predictor.predict(_encoded(sample, number, shift), point)
            row = tuple(predicted.probabilities[label] for label in LABELS)
            answers.append(Answer(*about, predicted.decision, row, predicted.input_check.distance))
        except NotAChestXray as refusal:
            answers.append(Answer(*about, "refused", None, refusal.distance))
        except (PneumoniaError, OSError) as error:
            skipped.append(f"{sample.path}: {error}")
        bar.update(number)
    return f"{model.contract.name} {model.contract.version}", point.threshold, answers, skipped


def _encoded(sample: Sample, number: int, shift: NamedChange | None) -> bytes:
    """The file as it is, or its shifted 224 x 224 copy as PNG."""
    data = sample.path.read_bytes()
    if shift is None:
        return data
    image = decode(data, Limits(), DECODE_MARGIN * SIZE).image
    changed = apply(shift, to_model_input(image, SIZE, SIZE)[np.newaxis], seed=number)
    stream = BytesIO()
    Image.fromarray(changed[0, ..., 0]).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _through_keras(
    path: Path, samples: Sequence[Sample], shift: NamedChange | None
) -> tuple[list[Answer], list[str]]:
    import keras

    from training.train import predict_logits

    images = load(samples)
    if shift is not None:
        images = replace(images, images=apply(shift, images.images))
    logits = predict_logits(keras.models.load_model(path), images.images)
    rows: NDArray[np.float32] = np.asarray(keras.ops.softmax(logits))
    answers = [
        Answer(
            sample.path.name,
            sample.patient,
            _truth(sample),
            "pneumonia" if 1 - row[0] >= 0.5 else "normal",
            tuple(float(value) for value in row),
            None,
        )
        for sample, row in zip(images.samples, rows, strict=True)
    ]
    return answers, list(images.skipped)


def _truth(sample: Sample) -> str:
    best = int(np.argmax(sample.target))
    return LABELS[best] if sample.target[best] > 0.99 else "pneumonia"
