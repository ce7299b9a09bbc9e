"""What a model file may be expected to do elsewhere."""

from typing import Any

import numpy as np
import pytest

from export.expected import assume
from tests.tiny_model import write_tiny_model
from training.validation import Validation


def held_out(conflicting: float) -> Validation:
    """1,000 images whose logits follow the label, but for the conflicting ones."""
    generator = np.random.default_rng(0)
    positive = generator.random(1000) < 0.5
    misleading = generator.random(1000) < conflicting
    odds = np.where(positive ^ misleading, 3.0, -3.0) + generator.normal(0, 1, 1000)
    logits = np.stack([-odds / 2, odds / 2, odds / 2 - 1], axis=1)
    clean = np.stack([logits, np.zeros_like(logits)]).astype(np.float32)
    targets = np.where(positive[:, np.newaxis], [0, 1, 0], [1, 0, 0]).astype(np.float32)
    return Validation(
        ("clean", "blur"),
        clean,
        targets,
        np.arange(1000),
        np.array(["data"] * 1000),
        misleading,
        np.zeros((1, 8, 8, 1), np.uint8),
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    contract = write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")
    return assume(held_out(0.05), "data", contract)


def test_more_conflicting_images_promise_less(rows: list[dict[str, Any]]) -> None:
    plain, mixed = rows
    assert plain["images"] == mixed["images"] == 1000
    for name in ("auroc", "accuracy", "sensitivity", "specificity"):
        assert plain["figures"][name]["value"] > mixed["figures"][name]["value"] + 0.05
    assert plain["figures"]["accuracy"]["value"] == pytest.approx(0.95, abs=0.02)
    assert mixed["figures"]["accuracy"]["value"] == pytest.approx(0.8, abs=0.03)


def test_only_the_clean_images_count(rows: list[dict[str, Any]]) -> None:
    # blurred, all would have the same score
    assert rows[0]["figures"]["auroc"]["value"] > 0.9


def test_both_operating_points_and_the_calibration_are_told(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert set(row["screening"]) == {"sensitivity", "specificity"}
        for name in ("slope", "intercept"):
            line = row["calibration"][name]
            assert line["low"] < line["value"] < line["high"]
