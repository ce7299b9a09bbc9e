"""The one path from bytes to an answer."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import NoEvidence, NotAChestXray, TooLarge
from service.imaging.radiograph import Limits
from service.inference.contract import Contract
from service.inference.model import ModelOutput, OnnxModel
from service.inference.predictor import Predictor
from tests.images import image_bytes
from tests.tiny_model import LABELS, write_tiny_model


@dataclass
class FixedModel:
    """A model that says what the test wants."""

    contract: Contract
    output: ModelOutput
    sha256: str = "0" * 64

    @property
    def has_evidence(self) -> bool:
        return self.output.evidence is not None

    def run(self, images: NDArray[np.uint8]) -> ModelOutput:
        def repeated(values: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
            return None if values is None else np.concatenate([values] * len(images))

        probabilities = np.concatenate([self.output.probabilities] * len(images))
        evidence, distance = repeated(self.output.evidence), repeated(self.output.distance)
        return ModelOutput(probabilities, evidence, distance)


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def predictor(contract: Contract) -> Callable[..., Predictor]:
    """Makes a predictor whose model answers fixed numbers."""

    def make(
        probabilities: tuple[float, ...] = (0.2, 0.5, 0.3),
        distance: float | None = 0.1,
        evidence: NDArray[np.float32] | None = None,
        refuse: bool = True,
    ) -> Predictor:
        output = ModelOutput(
            np.array([probabilities], np.float32),
            None if evidence is None else evidence[np.newaxis],
            None if distance is None else np.array([distance], np.float32),
        )
        return Predictor(FixedModel(contract, output), refuse=refuse)

    return make


def test_probability_is_the_sum_over_the_labels_that_mean_pneumonia(
    predictor: Callable[..., Predictor],
) -> None:
    answer = predictor((0.2, 0.3, 0.5)).predict(image_bytes())
    assert answer.probability == pytest.approx(0.8)
    assert answer.probabilities == pytest.approx(dict(zip(LABELS, (0.2, 0.3, 0.5), strict=True)))
    assert answer.subtype == "viral"


def test_rounding_makes_no_probability_above_1(predictor: Callable[..., Predictor]) -> None:
    assert predictor((0.0, 0.7, 0.3000001)).predict(image_bytes()).probability <= 1


@pytest.mark.parametrize(
    ("normal", "point", "decision", "subtype"),
    [
        (0.5, "balanced", "pneumonia", True),
        (0.501, "balanced", "normal", False),
        (0.8, "screening", "pneumonia", False),
        (0.1, "screening", "pneumonia", False),
        (0.801, "screening", "normal", False),
        (0.76, "careful", "normal", False),
        (0.74, "careful", "uncertain", False),
        (0.49, "careful", "uncertain", False),
        (0.24, "careful", "pneumonia", True),
    ],
)
def test_decisions(
    predictor: Callable[..., Predictor], normal: float, point: str, decision: str, subtype: bool
) -> None:
    rest = 1 - normal
    made = predictor((normal, rest * 0.75, rest * 0.25))
    answer = made.predict(image_bytes(), made.model.contract.operating_point(point))
    assert answer.decision == decision
    assert answer.operating_point.name == point
    assert answer.subtype == ("bacterial" if subtype else None)


@pytest.mark.parametrize(("share", "subtype"), [(0.61, "bacterial"), (0.59, None), (0.39, "viral")])
def test_a_close_call_has_no_subtype(
    predictor: Callable[..., Predictor], share: float, subtype: str | None
) -> None:
    answer = predictor((0.1, 0.9 * share, 0.9 * (1 - share))).predict(image_bytes())
    assert (answer.decision, answer.subtype) == ("pneumonia", subtype)


def test_no_subtype_where_the_rule_was_not_measured(
    predictor: Callable[..., Predictor],
) -> None:
    made = predictor((0.6, 0.3, 0.1))  # not pneumonia at `balanced`
    contract = made.model.contract
    eager = contract.operating_point("balanced").model_copy(
        update={"name": "eager", "threshold": 0.3}
    )
    answer = made.predict(image_bytes(), eager)
    assert (answer.decision, answer.subtype) == ("pneumonia", None)


def test_one_label_that_means_pneumonia_has_no_subtype(tmp_path: Path) -> None:
    model = tmp_path / "two.onnx"
    write_tiny_model(model, labels=("normal", "pneumonia"))
    answer = Predictor(OnnxModel(model)).predict(image_bytes(grey=200))
    assert (answer.decision, answer.subtype) == ("pneumonia", None)


def test_input_check(predictor: Callable[..., Predictor]) -> None:
    assert predictor(distance=0.45).predict(image_bytes()).input_check.accepted is True
    with pytest.raises(NotAChestXray) as refused:
        predictor(distance=0.46).predict(image_bytes())
    assert refused.value.distance == pytest.approx(0.46)
    assert refused.value.limit == 0.45
    with pytest.raises(NotAChestXray):
        predictor(distance=float("nan")).predict(image_bytes())
    flagged = predictor(distance=0.46, refuse=False).predict(image_bytes())
    assert flagged.input_check.accepted is False
    assert [warning.code for warning in flagged.warnings] == ["not_a_chest_xray"]
    assert refused.value.suspected_cause is None
    unchecked = predictor(distance=None).predict(image_bytes()).input_check
    assert (unchecked.accepted, unchecked.distance, unchecked.limit) == (None, None, None)


def test_explain_has_the_same_check_and_errors(predictor: Callable[..., Predictor]) -> None:
    evidence = np.zeros((3, 4, 4), np.float32)
    with pytest.raises(NotAChestXray):
        predictor(distance=9.0, evidence=evidence).explain(image_bytes())
    with pytest.raises(NoEvidence):
        predictor().explain(image_bytes())


def test_limits_hold(tiny_model: Path) -> None:
    limited = Predictor(OnnxModel(tiny_model), Limits(max_pixels=10_000))
    assert limited.predict(image_bytes(size=(100, 100)))
    for call in (limited.predict, limited.explain):
        with pytest.raises(TooLarge):
            call(image_bytes(size=(101, 100)))


def drawn(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(BytesIO(png)))


def test_evidence_for_pneumonia_is_relative_to_the_other_labels(
    predictor: Callable[..., Predictor],
) -> None:
    evidence = np.zeros((3, 2, 2), np.float32)
    evidence[1, 0, 0] = 2  # bacterial at the top left ...
    evidence[0, 0, 1] = 3  # ... normal at the top right ...
    evidence[:, 1, 0] = 5  # ... and all the same at the bottom left speak for nothing
    layer = drawn(predictor(evidence=evidence).explain(image_bytes(), alpha=1, layer="evidence"))
    height, width, _ = layer.shape
    assert layer[0, 0, 3] == 255
    assert layer[0, width - 1, 3] == 0
    assert layer[height - 1, 0, 3] == 0
    assert layer[height - 1, width - 1, 3] == 0


def test_evidence_against_pneumonia_is_not_coloured(predictor: Callable[..., Predictor]) -> None:
    evidence = np.zeros((3, 4, 4), np.float32)
    evidence[0] = 1
    result = drawn(predictor(evidence=evidence).explain(image_bytes(kind="PNG"), alpha=1))
    assert np.array_equal(result[..., 0], result[..., 1])
    assert np.array_equal(result[..., 0], result[..., 2])


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_images_are_like_their_small_copy(tiny_model: Path, kind: str) -> None:
    """Made without noise, so that any decoder's way of reducing it gives the same greys."""
    y, x = np.indices((700, 1000), np.float32)
    small = Image.fromarray((128 + 60 * np.sin(x / 90) * np.cos(y / 70)).astype(np.uint8))
    large = small.resize((4200, 2940), Image.Resampling.BICUBIC)
    predictor = Predictor(OnnxModel(tiny_model))
    answers = []
    for image in (large, small):
        stream = BytesIO()
        image.save(stream, kind)
        answers.append(predictor.predict(stream.getvalue()))
    assert (answers[0].radiograph.width, answers[0].radiograph.height) == (4200, 2940)
    assert answers[0].probability == pytest.approx(answers[1].probability, abs=0.005)
    assert answers[0].decision == answers[1].decision
