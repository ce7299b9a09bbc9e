"""What was done to a chest X-ray that is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.inference.contract import Contract
from service.inference.model import ModelOutput
from service.inference.suspected_cause import find_suspected_cause
from tests.tiny_model import write_tiny_model

CHEST = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)


@dataclass
class ChestModel:
    """A model whose distance is how far an image is from one chest."""

    contract: Contract
    sha256: str = "0" * 64
    has_evidence: bool = False

    def run(self, images: NDArray[np.uint8]) -> ModelOutput:
        apart = np.abs(images.astype(np.float32) - CHEST[: images.shape[1]])
        distance = apart.mean(axis=(1, 2, 3))
        return ModelOutput(np.full((len(images), 3), 1 / 3, np.float32), None, distance)


@pytest.fixture
def model(tmp_path: Path) -> ChestModel:
    return ChestModel(write_tiny_model(tmp_path / "tiny.onnx"))


@pytest.mark.parametrize(
    ("done", "suspected_cause"),
    [
        (lambda image: 255 - image, "inverted"),
        (lambda image: image[::-1, ::-1], "upside_down"),
        (np.rot90, "sideways"),
        (lambda image: np.rot90(image, 3), "sideways"),
        (np.zeros_like, None),
    ],
)
def test_what_was_done_is_named(
    model: ChestModel, done: Callable[[np.ndarray], np.ndarray], suspected_cause: str | None
) -> None:
    assert find_suspected_cause(model, done(CHEST), limit=0.5) == suspected_cause


def test_an_image_that_is_not_square_is_not_laid_on_its_side(model: ChestModel) -> None:
    assert find_suspected_cause(model, 255 - CHEST[:4], limit=0.5) == "inverted"
    assert find_suspected_cause(model, np.zeros_like(CHEST[:4]), limit=0.5) is None
