"""Score a model file on labelled images: a ``.keras`` network or a shipped ``.onnx`` file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import NotAChestXray, PneumoniaError
from service.imaging.decode import decode
from service.imaging.preprocess import decoded_side, squash
from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel
from service.inference.operating_point import OperatingPoint, Rate
from service.inference.predictor import Predictor
from training.budgets import CONFIDENT
from training.configuration import CONFIGURATION_FILE, RunConfiguration
from training.data import SIZE, DataError, Sample, load
from training.labels import LabelSet
from training.metrics import Scores, confusion, measure_with_intervals, per_class
from training.progress import progress_bar
from training.shifts import NamedChange, apply

_COUNTED = ("images", "pneumonia", "normal", "uncertain", "refused", "confident_errors")


@dataclass(frozen=True)
class Answer:
    """A model's answer to one image, and the reference.

    Attributes:
        file: name of the file.
        patient: who is shown.
        truth: the reference label; the finding's name where only that is known.
        decision: of the model, or ``refused``.
        probabilities: one for each label; None where refused.
        distance: of the input check; None without one.
        sample: what else is known of the image; None where nothing is.
    """

    file: str
    patient: str
    truth: str
    decision: str
    probabilities: tuple[float, ...] | None
    distance: float | None
    sample: Sample | None = None


@dataclass(frozen=True)
class Evaluation:
    """The outcome of scoring one model on one data set.

    Attributes:
        model: name and version, or the file's name.
        data: name of the data set.
        operating_point: name of the rule, and its threshold.
        answers: one for each image that could be read.
        skipped: files that could not be read, with the reason.
        scores: the answered images as arrays, with the labels they have.
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
            "per_class": per_class(self.scores),
            "confusion": {
                "labels": self.scores.labels.names,
                "rows": confusion(self.scores),
            },
            "decisions": self.decisions(),
        }

    def decisions(self) -> dict[str, dict[str, int]]:
        """Counts by true label: images, each decision, refusals, and ``confident_errors``, in
        which the wrong class had a probability of ``CONFIDENT`` or more.
        """
        table: dict[str, dict[str, int]] = {}
        labels = self.scores.labels
        for answer in self.answers:
            row = table.setdefault(answer.truth, dict.fromkeys(_COUNTED, 0))
            row["images"] += 1
            row[answer.decision] += 1
            if answer.probabilities is not None:
                probability = labels.probability(np.array(answer.probabilities))
                y_true = labels.is_positive(np.array(labels.column(answer.truth)))
                wrong = 1 - probability if y_true else probability
                row["confident_errors"] += int(wrong >= CONFIDENT)
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
        loaded = OnnxModel(model)
        labels = LabelSet.of_contract(loaded.contract)
        name = f"{loaded.contract.name} {loaded.contract.version}"
        point = loaded.contract.operating_point(operating_point)
        threshold = point.threshold
        answers, skipped = _through_service(loaded, labels, samples, point, shift)
    elif model.suffix == ".keras":
        name, threshold, operating_point = model.name, 0.5, "probability 0.5"
        labels = _labels_of_run(model)
        answers, skipped = _through_keras(model, labels, samples, shift)
    else:
        raise DataError(f"{model} is neither a .keras nor an .onnx file.")
    scores = _to_scores(answers, labels, threshold)
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


def promised_point(model: Path, operating_point: str) -> OperatingPoint | None:
    """The operating point of an ``.onnx`` file with what it promises; None for a network."""
    if model.suffix != ".onnx":
        return None
    return OnnxModel(model).contract.operating_point(operating_point)


def _labels_of_run(model: Path) -> LabelSet:
    if not (model.parent / CONFIGURATION_FILE).is_file():
        raise DataError(
            f"There is no {CONFIGURATION_FILE} beside {model}, which says what its outputs mean; "
            "give the network where `pneumonia train` left it."
        )
    return RunConfiguration.read(model.parent).label_set


def _to_scores(answers: Sequence[Answer], labels: LabelSet, threshold: float) -> Scores:
    answered = [answer for answer in answers if answer.probabilities is not None]
    if not answered:
        raise DataError("Not one image was answered; are these chest X-rays?")
    patients = np.unique([answer.patient for answer in answered], return_inverse=True)[1]
    return Scores(
        np.array([answer.probabilities for answer in answered], np.float64),
        np.array([labels.column(answer.truth) for answer in answered], np.int64),
        patients.astype(np.int64),
        threshold,
        labels,
    )


def _through_service(
    model: OnnxModel,
    labels: LabelSet,
    samples: Sequence[Sample],
    point: OperatingPoint,
    shift: NamedChange | None,
) -> tuple[list[Answer], list[str]]:
    predictor = Predictor(model)
    answers, skipped = [], []
    bar = progress_bar(len(samples), "image")
    for number, sample in enumerate(samples, start=1):
        about = (sample.path.name, sample.patient, _truth(sample, labels))
        try:
            predicted = predictor.predict(_encoded(sample, number, shift), point)
            row = tuple(predicted.probabilities[label] for label in labels.names)
            check = predicted.input_check
            answers.append(Answer(*about, predicted.decision, row, check.distance, sample))
        except NotAChestXray as refusal:
            answers.append(Answer(*about, "refused", None, refusal.distance, sample))
        except (PneumoniaError, OSError) as error:
            skipped.append(f"{sample.path}: {error}")
        bar.update(number)
    return answers, skipped


def _encoded(sample: Sample, number: int, shift: NamedChange | None) -> bytes:
    """The file as it is, or its shifted 224 x 224 copy as PNG."""
    data = sample.path.read_bytes()
    if shift is None:
        return data
    image = decode(data, Limits(), decoded_side(SIZE, SIZE)).image
    changed = apply(shift, squash(image, SIZE, SIZE)[np.newaxis], seed=number)
    stream = BytesIO()
    Image.fromarray(changed[0, ..., 0]).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _through_keras(
    path: Path, labels: LabelSet, samples: Sequence[Sample], shift: NamedChange | None
) -> tuple[list[Answer], list[str]]:
    import keras

    from training.train import predict_logits

    images = load(samples, labels=labels)
    if shift is not None:
        images = replace(images, images=apply(shift, images.images))
    logits = predict_logits(keras.models.load_model(path), images.images)
    rows: NDArray[np.float32] = np.asarray(keras.ops.softmax(logits))
    answers = [
        Answer(
            sample.path.name,
            sample.patient,
            _truth(sample, labels),
            "pneumonia" if labels.probability(row) >= 0.5 else "normal",
            tuple(float(value) for value in row),
            None,
            sample,
        )
        for sample, row in zip(images.samples, rows, strict=True)
    ]
    return answers, list(images.skipped)


def _truth(sample: Sample, labels: LabelSet) -> str:
    column = labels.column(sample.label)
    return labels.names[column] if column >= 0 else labels.finding
