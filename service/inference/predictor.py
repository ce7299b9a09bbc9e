"""The one path from bytes to an answer; the only place where a probability becomes a decision."""

import contextlib
import time
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from service.errors import NoEvidence, NotAChestXray
from service.imaging.preprocess import range_warnings, size_warnings
from service.imaging.radiograph import Limits, PredictionWarning, Radiograph, Shares
from service.imaging.reader import ImageReader, ReadImage
from service.inference.contract import Contract, golden_pattern
from service.inference.evidence import DISPLAY_SIDE, Layer, draw_evidence, pneumonia_evidence
from service.inference.lungs import evidence_outside, find_fault, measure
from service.inference.model import Model, ModelOutput
from service.inference.operating_point import Decision, OperatingPoint
from service.inference.population import OUTSIDE_POPULATION, population_warnings
from service.inference.prevalence import Adjusted, adjust, check_prevalence
from service.inference.suspected_cause import ADVICE, find_suspected_cause

_TWO_LUNGS = "The image is not a frontal chest X-ray that shows both lungs."
_UNLIKE = "The image is too unlike the chest X-rays this model was made for and cannot be read."
# share of the evidence from which a reader is told that it does not lie in the lungs
_MOSTLY_OUTSIDE = 0.5
_SEND_A_CHEST = "Send one upright frontal chest X-ray, not inverted, with nothing around it."


@dataclass(frozen=True)
class InputCheck:
    """How the input check ended; all None where the model has none."""

    accepted: bool | None
    distance: float | None
    limit: float | None


@dataclass(frozen=True)
class Lungs:
    """Where the lungs were found.

    Attributes:
        left: of the box around both lungs, as a share of the image's width, 0..1.
        top: likewise of its height.
        right: as ``left``.
        bottom: as ``top``.
        evidence_outside: share of the evidence for pneumonia that lies outside the box, 0..1; None
            where nothing speaks for pneumonia, or the model has no evidence map.
    """

    left: float
    top: float
    right: float
    bottom: float
    evidence_outside: float | None


@dataclass(frozen=True)
class Prediction:
    """One answer.

    Attributes:
        decision: ``pneumonia``, ``normal`` or ``uncertain``.
        probability: of pneumonia, 0..1: the sum over the labels that mean it.
        probabilities: label -> calibrated probability, summing to 1.
        subtype: the kind of pneumonia where one is named, see :meth:`Contract.subtype`.
        operating_point: which rule decided.
        input_check: whether the image is one the model can read.
        lungs: where they were found; None where the model does not look for them.
        radiograph: what was decoded; its image is the one the model saw, which lets the large
            one go.
        decode_seconds: decoding and resizing.
        inference_seconds: the graph.
        warnings: what a reader should know.
        adjusted: what the answer means at the prevalence that was asked for; None where none was.
    """

    decision: Decision
    probability: float
    probabilities: dict[str, float]
    subtype: str | None
    operating_point: OperatingPoint
    input_check: InputCheck
    lungs: Lungs | None
    radiograph: Radiograph
    decode_seconds: float
    inference_seconds: float
    warnings: tuple[PredictionWarning, ...]
    adjusted: Adjusted | None = None


class Predictor:
    """Answers for encoded images, one at a time, on the calling thread; safe to share."""

    def __init__(self, model: Model, limits: Limits | None = None, refuse: bool = True) -> None:
        """Wire a model.

        Args:
            model: what computes.
            limits: what may be decoded.
            refuse: whether a failed input check raises (else the answer is flagged).
        """
        spec = model.contract.input
        self.model = model
        self._reader = ImageReader(spec.height, spec.width, spec.resampling, limits or Limits())
        self._refuse = refuse

    def close(self) -> None:
        """End the processes that read DICOM files."""
        self._reader.close()

    def predict(
        self, data: bytes, point: OperatingPoint | None = None, prevalence: float | None = None
    ) -> Prediction:
        """Answer for one encoded image.

        Args:
            data: the whole file.
            point: what decides; by default the contract's ``balanced``.
            prevalence: of pneumonia among the caller's patients, between 0 and 1, where the answer
                shall also say what it means there.

        Raises:
            UndecodableImage, UnsupportedType, TooLarge: see :func:`service.imaging.decode.decode`.
            NotAChestXray: the input check failed and refusal is on.
            InvalidRequest: see :func:`service.inference.prevalence.check_prevalence`.
        """
        return self.infer(self.read(data), point, prevalence)

    def read(self, data: bytes) -> ReadImage:
        """The first half of :meth:`predict`, which may run elsewhere than the second.

        Raises:
            UndecodableImage, UnsupportedType, TooLarge: as :meth:`predict`.
        """
        return self._reader.read(data)

    def infer(
        self, read: ReadImage, point: OperatingPoint | None = None, prevalence: float | None = None
    ) -> Prediction:
        """The second half of :meth:`predict`: the graph, the input check and the decision.

        Raises:
            NotAChestXray, InvalidRequest: as :meth:`predict`.
        """
        contract, radiograph, image = self.model.contract, read.radiograph, read.pixels
        point = point or contract.operating_point("balanced")
        check_prevalence(contract, prevalence)
        start = time.perf_counter()
        output = self.model.run(image[np.newaxis])
        inference_seconds = time.perf_counter() - start
        check, doubts = self._check(read, output)
        probabilities = [float(value) for value in output.probabilities[0]]
        probability = min(1.0, sum(probabilities[column] for column in contract.pneumonia_columns))
        decision = point.decide(probability)
        population = population_warnings(radiograph, contract)
        adjusted = None
        if prevalence is not None:
            figures_hold = all(warning.code != OUTSIDE_POPULATION for warning in population)
            adjusted = adjust(contract, point, probability, prevalence, figures_hold)
        lungs = _find_lungs(contract, output, radiograph.content)
        height, width, _ = image.shape
        return Prediction(
            decision=decision,
            probability=probability,
            probabilities=dict(zip(contract.labels, probabilities, strict=True)),
            subtype=contract.subtype(probabilities, point),
            operating_point=point,
            input_check=check,
            lungs=lungs,
            radiograph=radiograph,
            decode_seconds=read.seconds,
            inference_seconds=inference_seconds,
            warnings=(
                *radiograph.warnings,
                *size_warnings(radiograph, height, width),
                *range_warnings(radiograph.image),
                *population,
                *_evidence_warnings(lungs, probability >= point.threshold),
                *doubts,
            ),
            adjusted=adjusted,
        )

    def explain(self, data: bytes, alpha: float = 0.5, layer: Layer = "overlay") -> bytes:
        """Draw the evidence of the pneumonia labels over the image.

        See :func:`pneumonia_evidence` for what is drawn; its positive parts are coloured.

        Args:
            data: one encoded image.
            alpha: opacity of the evidence, 0..1.
            layer: ``overlay`` for the image with the evidence over it, ``evidence`` for the
                evidence alone, at the same size.

        Returns:
            PNG, RGB for ``overlay``, RGBA for ``evidence``; no side above ``DISPLAY_SIDE`` pixels.

        Raises:
            NoEvidence: the model file has no map.
            PneumoniaError: as :meth:`predict`.
        """
        contract = self.model.contract
        radiograph, seen = self._reader.read_both(data)
        read = ReadImage(seen, 0.0)
        output = self.model.run(read.pixels[np.newaxis])
        if output.evidence is None:
            raise NoEvidence("This model has no evidence map. Use one whose network has it.")
        self._check(read, output)
        if radiograph.image.size != (radiograph.width, radiograph.height):
            # the decoder made it as small as the model needs it, which is less than eyes like
            radiograph = self._reader.decode(data, DISPLAY_SIDE)
        evidence = pneumonia_evidence(contract, output.evidence)[0]
        return draw_evidence(radiograph.image, evidence, alpha, layer, seen.content)

    def warm_up(self) -> None:
        """Answer once for a synthetic image, so that the first caller does not pay for loading."""
        spec = self.model.contract.input
        stream = BytesIO()
        Image.fromarray(golden_pattern(0, spec.height, spec.width)[..., 0]).save(stream, "JPEG")
        with contextlib.suppress(NotAChestXray):
            self.predict(stream.getvalue())

    def _check(
        self, read: ReadImage, output: ModelOutput
    ) -> tuple[InputCheck, tuple[PredictionWarning, ...]]:
        contract = self.model.contract
        limit, rule = contract.input_check_limit, contract.lung_rule
        distance = fault = None
        if limit is not None and output.distance is not None:
            distance = float(output.distance[0])
        if rule is not None and output.lung_mask is not None:
            fault = find_fault(measure(output.lung_mask[0]), rule)
        elif distance is None:
            return InputCheck(None, None, None), ()
        sentence = _TWO_LUNGS
        if distance is not None and limit is not None and not distance <= limit:
            sentence = _UNLIKE
            fault = find_suspected_cause(self.model, read.pixels, limit) or fault
        elif fault is None:
            return InputCheck(True, distance, limit), ()
        sentence = f"{sentence} {ADVICE[fault] if fault else _SEND_A_CHEST}"
        if self._refuse:
            refusal = NotAChestXray(sentence, distance, limit, fault)
            refusal.source = read.radiograph.source
            raise refusal
        return InputCheck(False, distance, limit), (
            PredictionWarning("not_a_chest_xray", sentence),
        )


def _find_lungs(contract: Contract, output: ModelOutput, content: Shares) -> Lungs | None:
    if output.lungs is None:
        return None
    outside = None
    if output.evidence is not None:
        evidence = pneumonia_evidence(contract, output.evidence)[0]
        outside = evidence_outside(evidence, output.lungs[0])
    # the model does not see the borders that are part of the caller's image
    start, end = np.array(content[:2]), np.array(content[2:])
    corners = start + output.lungs[0].reshape(2, 2) * (end - start)
    left, top, right, bottom = corners.ravel().tolist()
    return Lungs(left, top, right, bottom, outside)


def _evidence_warnings(lungs: Lungs | None, is_pneumonia: bool) -> tuple[PredictionWarning, ...]:
    """Whether what speaks for pneumonia lies mostly elsewhere than in the lungs."""
    outside = lungs.evidence_outside if lungs else None
    if not is_pneumonia or outside is None or outside <= _MOSTLY_OUTSIDE:
        return ()
    sentence = (
        f"{outside:.0%} of the evidence lies outside the lungs: a device, a marker or a cut may "
        "speak for pneumonia here, not the lungs."
    )
    return (PredictionWarning("evidence_outside_lungs", sentence),)
