"""The shape of the lungs: a frontal chest X-ray shows two, side by side."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import NotAChestXray
from service.imaging.preprocess import COPY_SIZE
from service.inference.lungs import evidence_outside, find_fault, measure
from service.inference.model import OnnxModel
from service.inference.predictor import Predictor
from tests.images import encode
from tests.tiny_model import LUNG_RULE, SIZE, write_tiny_model


def draw(*boxes: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """A mask of 64 by 64 pixels with lung in some boxes (left, top, right, bottom)."""
    mask = np.zeros((SIZE, SIZE), np.float32)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = 0.9
    return mask


@pytest.mark.parametrize(
    ("mask", "fault"),
    [
        (draw((8, 10, 26, 50), (36, 10, 54, 50)), None),
        # one lung made small by a pneumonia is still a lung
        (draw((8, 10, 26, 50), (36, 10, 50, 32)), None),
        (draw(), "no_lungs"),
        (draw((20, 20, 24, 24)), "no_lungs"),
        # from the side the lungs lie over each other
        (draw((16, 8, 48, 56)), "not_frontal"),
        (draw((20, 10, 38, 50)), "not_frontal"),
        # the right half of an image
        (draw((0, 10, 40, 50)), "lungs_cut_off"),
    ],
)
def test_two_lungs_side_by_side(mask: NDArray[np.float32], fault: str | None) -> None:
    assert find_fault(measure(mask), LUNG_RULE) == fault


def test_a_faint_mask_is_no_lung() -> None:
    assert measure(draw((8, 10, 26, 50), (36, 10, 54, 50)) * 0.5).area == 0


def test_area_and_separation_are_shares() -> None:
    shape = measure(draw((0, 0, 16, 64), (32, 0, 64, 64)))
    assert shape.area == pytest.approx(0.75)
    assert shape.separation == 1


def test_the_share_of_the_evidence_outside_a_box() -> None:
    evidence = np.ones((4, 4), np.float32)
    evidence[0] = -5  # speaks against pneumonia, and does not count
    box = np.array([0, 0.25, 1, 1], np.float32)
    assert evidence_outside(evidence, box) == 0
    assert evidence_outside(evidence, np.array([0.5, 0.25, 1, 1])) == pytest.approx(0.5)
    # a box that ends within a cell holds its part of it
    assert evidence_outside(evidence, np.array([0, 0.25, 0.625, 1])) == pytest.approx(0.375)
    assert evidence_outside(-evidence.clip(0), box) is None


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    """A real file that looks for lungs: dark is lung."""
    path = tmp_path_factory.mktemp("model") / "lungs.onnx"
    write_tiny_model(path, lungs=True, limit=0.49)
    return OnnxModel(path)


def chest(mask: NDArray[np.float32], bar: int = 0) -> bytes:
    """An image that is dark where the mask is lung and mid-grey elsewhere, with a black bar."""
    grey = np.where(mask > 0.5, 20, tissue(145)).astype(np.uint8)
    return encode(Image.fromarray(np.pad(grey, ((0, 0), (bar, 0)))), "PNG")


def tissue(grey: int) -> NDArray[np.int64]:
    """Nearly one grey, and yet no plain border."""
    rows, columns = np.indices((SIZE, SIZE))
    checked: NDArray[np.int64] = grey + 10 * ((rows // 4 + columns // 4) % 2)
    return checked


def test_two_lungs_are_answered_with_their_box(model: OnnxModel) -> None:
    answer = Predictor(model).predict(chest(draw((8, 10, 26, 50), (36, 10, 54, 50))))
    assert answer.input_check.accepted is True
    assert answer.lungs is not None
    assert (answer.lungs.left, answer.lungs.bottom) == (0.25, 0.75)
    assert answer.lungs.evidence_outside is not None


def test_a_plain_bar_moves_the_box_and_little_else(model: OnnxModel) -> None:
    lungs = draw((8, 10, 26, 50), (36, 10, 54, 50))
    plain, barred = (Predictor(model).predict(chest(lungs, bar)) for bar in (0, SIZE))
    assert barred.probability == pytest.approx(plain.probability, abs=0.1)
    assert barred.lungs is not None
    # a column of the reduced image may lie half in the bar
    box = barred.lungs.left, barred.lungs.top, barred.lungs.right, barred.lungs.bottom
    assert box == pytest.approx((0.625, 0.25, 0.875, 0.75), abs=1 / COPY_SIZE)
    layer = Image.open(BytesIO(Predictor(model).explain(chest(lungs, SIZE), layer="evidence")))
    opacity = np.asarray(layer)[..., 3]
    assert opacity.shape == (SIZE, 2 * SIZE)
    assert not opacity[:, :SIZE].any()
    alone = Image.open(BytesIO(Predictor(model).explain(chest(lungs), layer="evidence")))
    moved = opacity[:, SIZE:].astype(int) - np.asarray(alone)[..., 3]
    assert np.abs(moved).mean() < 0.05 * np.asarray(alone)[..., 3].mean()


def test_one_lung_is_refused_with_the_reason(model: OnnxModel) -> None:
    lateral = chest(draw((16, 8, 48, 56)))
    with pytest.raises(NotAChestXray, match=r"frontal view, not a lateral") as refused:
        Predictor(model).predict(lateral)
    assert refused.value.suspected_cause == "not_frontal"
    assert refused.value.distance is not None
    with pytest.raises(NotAChestXray):
        Predictor(model).explain(lateral)
    flagged = Predictor(model, refuse=False).predict(lateral)
    assert flagged.input_check.accepted is False
    assert "not_a_chest_xray" in [warning.code for warning in flagged.warnings]


def test_evidence_elsewhere_is_remarked_on(model: OnnxModel) -> None:
    bright_rim = tissue(245).astype(np.uint8)
    bright_rim[16:48, 16:48] = 150
    bright_rim[18:46, 18:28] = bright_rim[18:46, 36:46] = 20
    answer = Predictor(model).predict(encode(Image.fromarray(bright_rim), "PNG"))
    assert answer.lungs is not None
    assert answer.lungs.evidence_outside == pytest.approx(0.9, abs=0.1)
    assert "evidence_outside_lungs" in [warning.code for warning in answer.warnings]
