"""What hiding parts of an image says about a model, with one that looks at brightness alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from service.imaging.radiograph import Pixels
from tests.tiny_model import write_tiny_model
from training.audit import AUDIT_FILE, audit
from training.data import DataError, Dataset, Sample


def _data(pneumonia: Pixels, copies: int = 10) -> Dataset:
    """As many dark images, which are normal, as copies of one that shows pneumonia."""
    dark = _tissue()
    images = np.stack([dark] * copies + [pneumonia] * copies)[..., np.newaxis]
    targets = np.array([[1, 0, 0]] * copies + [[0, 1, 0]] * copies, np.float32)
    samples = tuple(
        Sample(Path(f"{number}.png"), "normal", str(number), "made")
        for number in range(len(images))
    )
    return Dataset(samples, images, targets, np.arange(len(images)), ())


def _tissue() -> Pixels:
    """Dark, and no plain border."""
    rows, columns = np.indices((224, 224))
    return (60 + 12 * ((rows // 8 + columns // 8) % 2)).astype(np.uint8)


def _bright(rows: slice, columns: slice) -> Pixels:
    image = _tissue()
    image[rows, columns] = 255
    return image


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    write_tiny_model(path)
    return path


def test_a_sign_inside_the_lungs_is_gone_with_them(model: Path, tmp_path: Path) -> None:
    figures = audit(model, _data(_bright(slice(80, 150), slice(40, 100))), tmp_path)
    assert figures["auroc_whole"].value == 1
    assert figures["auroc_lungs_hidden"].value == 0.5
    assert figures["auroc_borders_hidden"].value == 1
    report = json.loads((tmp_path / AUDIT_FILE).read_text())
    assert report["figures"]["auroc_lungs_hidden"]["value"] == 0.5


def test_a_marker_is_found_out(model: Path, tmp_path: Path) -> None:
    figures = audit(model, _data(_bright(slice(0, 20), slice(20, 200))), tmp_path)
    assert figures["auroc_lungs_hidden"].value == 1
    assert figures["auroc_borders_hidden"].value == 0.5


def test_true_evidence_beats_a_random_order(model: Path, tmp_path: Path) -> None:
    figures = audit(model, _data(_bright(slice(56, 168), slice(56, 112))), tmp_path)
    assert figures["deletion_by_evidence"].value < figures["deletion_at_random"].value
    assert figures["insertion_by_evidence"].value > figures["insertion_at_random"].value


def test_a_model_without_a_map_has_no_way_to_go(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "plain.onnx", evidence=False)
    figures = audit(
        tmp_path / "plain.onnx", _data(_bright(slice(80, 150), slice(40, 100))), tmp_path
    )
    hidden = {"auroc_whole", "auroc_lungs_hidden", "auroc_borders_hidden"}
    assert set(figures) == {*hidden, "inverted_refused", "inverted_named"}


@pytest.mark.parametrize(("grey", "refused"), [(0, 1.0), (60, 0.0)])
def test_inverted_images_are_counted_as_the_input_check_has_them(
    model: Path, tmp_path: Path, grey: int, refused: float
) -> None:
    data = _data(np.full((224, 224), grey, np.uint8))
    data.images[:] = grey
    figures = audit(model, data, tmp_path)
    assert figures["inverted_refused"].value == refused
    # this model takes neither black nor white for a chest X-ray, so that neither explains the other
    assert figures["inverted_named"].value == 0


def test_one_class_is_no_audit(model: Path, tmp_path: Path) -> None:
    data = _data(_bright(slice(80, 150), slice(40, 100)))
    with pytest.raises(DataError, match="both classes"):
        audit(model, data.take(np.arange(10)), tmp_path)
