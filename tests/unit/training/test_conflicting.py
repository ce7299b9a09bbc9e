"""The figures of a model on images whose device misleads."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.inference.operating_point import Rate
from training.conflicting import REPORT_FILE, repeats, write_conflicting
from training.data import DataError, Dataset
from training.evaluate import Answer, Evaluation
from training.metrics import Scores
from training.samples import Sample

PATIENTS = 80
REFUSED = (0, 41)  # one of each class, on devices that do not mislead


def made() -> tuple[Dataset, Evaluation]:
    """Bright images are of the ill ones' device, but for the last; the model goes by brightness.

    An ill and a healthy patient share each file name, as in folders by class.
    """
    generator = np.random.default_rng(0)
    ill = np.arange(PATIENTS) % 2 == 1
    bright = np.where(np.arange(PATIENTS) < PATIENTS - 8, ill, ~ill)
    level = np.where(bright, 170, 80)[:, None, None, None]
    images = (level + generator.integers(-20, 20, (PATIENTS, 64, 64, 1))).astype(np.uint8)
    targets = np.where(ill[:, None], [0, 1, 0], [1, 0, 0]).astype(np.float32)
    labels = ["bacterial" if one else "normal" for one in ill]
    samples = tuple(
        Sample(Path(label, f"{row // 2}.png"), label, f"x/{row}", "x")
        for row, label in enumerate(labels)
    )
    data = Dataset(samples, images, targets, np.arange(PATIENTS), ())
    stated = np.where(bright, 0.9, 0.1)
    rows = np.stack([1 - stated, stated, 0 * stated], axis=1)
    answers = tuple(
        Answer(sample.path.name, sample.patient, sample.label, "refused", None, None)
        if row in REFUSED
        else Answer(sample.path.name, sample.patient, sample.label, "normal", tuple(said), None)
        for row, (sample, said) in enumerate(zip(samples, rows.tolist(), strict=True))
    )
    kept = np.setdiff1d(np.arange(PATIENTS), REFUSED)
    scores = Scores(rows[kept], ill[kept].astype(np.int64), kept, 0.5)
    figures: dict[str, Rate] = {}
    return data, Evaluation("m", "x", "balanced", 0.5, answers, (), scores, figures)


def test_a_model_that_follows_the_device_is_found_out(tmp_path: Path) -> None:
    data, evaluation = made()
    write_conflicting(evaluation, data, tmp_path)
    report = json.loads((tmp_path / REPORT_FILE).read_text())
    assert report["images"] == PATIENTS - len(REFUSED)
    assert report["conflicting"] == {"positive": 4, "negative": 4}
    assert report["figures"]["conflicting"]["auroc"]["value"] == 0
    assert report["figures"]["20% conflicting"]["accuracy"]["value"] == pytest.approx(0.8, abs=0.02)


def test_too_few_patients_are_told(tmp_path: Path) -> None:
    data, evaluation = made()
    one_patient = replace(data, groups=np.zeros(PATIENTS, np.int64))
    with pytest.raises(DataError, match="6 patients of each class"):
        write_conflicting(evaluation, one_patient, tmp_path)


def test_other_images_than_those_evaluated_are_told(tmp_path: Path) -> None:
    data, evaluation = made()
    with pytest.raises(DataError, match="not those of the evaluation"):
        write_conflicting(evaluation, data.take(np.arange(PATIENTS)[::-1]), tmp_path)


def test_conflicting_images_become_a_fifth() -> None:
    positive = np.arange(100) < 50
    misleading = np.zeros(100, bool)
    misleading[[0, 60, 61]] = True
    times = repeats(misleading, positive)
    for side in (positive, ~positive):
        assert times[side & misleading].sum() / times[side].sum() == pytest.approx(0.2, abs=0.02)
    assert set(times[~misleading]) == {1}
    assert repeats(~misleading, positive).max() == 1
