"""The rule of choice on runs whose figures can be worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.configuration import RunConfiguration
from training.reports.experiments import aurocs, experiments, figures
from training.reports.files import REPORTS
from training.validation import Validation

CHILDREN, ADULTS = 30, 10
TARGETS = np.concatenate(
    [
        np.eye(3)[np.arange(CHILDREN) % 3],
        np.array([[1, 0, 0], [0, 0.5, 0.5]])[np.arange(ADULTS) % 2],
    ]
)


def validation(adults: bool = True) -> Validation:
    """A perfect answer to clean images, an upside-down one of pneumonia under ``blur``."""
    right = 4.0 * TARGETS
    wrong = right.copy()
    wrong[:, 0] = -right[:, 0]
    wrong[:, 1:] += 2 * (TARGETS[:, :1] > 0.5)
    rows = len(TARGETS) if adults else CHILDREN
    return Validation(
        ("clean", "blur"),
        np.stack([right, wrong]).astype(np.float32)[:, :rows],
        TARGETS.astype(np.float32)[:rows],
        np.arange(rows),
        np.array(["home"] * CHILDREN + ["far"] * ADULTS)[:rows],
        np.zeros(rows, bool),
        np.zeros((1, 8, 8, 1), np.uint8),
    )


def test_aurocs_are_those_of_the_library_with_ties() -> None:
    generator = np.random.default_rng(0)
    positive = generator.random(50) < 0.4
    scores = generator.integers(0, 9, (3, 50)).astype(float)
    expected = [roc_auc_score(positive, row) for row in scores]
    assert aurocs(positive, scores) == pytest.approx(expected)
    assert np.isnan(aurocs(np.ones(50, bool), scores)).all()


def test_figures_are_means_over_shifts_and_the_score_their_mean() -> None:
    found = figures(validation(), "home")
    assert found["subtype"]["value"] == 1
    assert found["worst"]["shift"] == "blur"
    assert found["pneumonia"]["value"] == pytest.approx((1 + found["worst"]["auroc"]) / 2)
    assert found["pneumonia"]["value"] < 1
    values = [found[name]["value"] for name in ("pneumonia", "subtype", "adults")]
    assert found["score"]["value"] == pytest.approx(np.mean(values))
    assert found["score"]["low"] <= found["score"]["value"] <= found["score"]["high"]


def test_a_run_without_adults_has_no_score() -> None:
    found = figures(validation(adults=False), "home")
    assert found["adults"] is None
    assert found["score"] is None
    assert found["pneumonia"] is not None


def write_run(
    folder: Path, seed: int, dropout: float = 0.1, finished: bool = True, fold: int = 0
) -> RunConfiguration:
    folder.mkdir(parents=True)
    shipped = RunConfiguration.read(REPORTS / "run")
    made = replace(
        shipped,
        recipe=replace(shipped.recipe, seed=seed, dropout=dropout),
        sources=("home", "far"),
        fold=fold,
        training_fingerprint=f"f00d{fold}",
        command=f"pneumonia train ../images/home --also /data/far --seed {seed} --out {folder}",
    )
    made.write(folder)
    if finished:
        validation().save(folder / "validation.npz")
    return made


def test_runs_are_ranked_and_those_of_one_recipe_are_brought_together(tmp_path: Path) -> None:
    write_run(tmp_path / "a0", 0)
    shipped = write_run(tmp_path / "a1", 1)
    write_run(tmp_path / "b", 0, dropout=0.2)
    write_run(tmp_path / "b3", 0, dropout=0.2, fold=3)
    write_run(tmp_path / "b3again", 0, dropout=0.2, fold=3)
    write_run(tmp_path / "unfinished", 2, finished=False)
    report = experiments(tmp_path, shipped)
    assert {row["run"]: row["chosen"] for row in report["runs"]} == {
        "a0": False,
        "a1": True,
        "b": False,
        "b3": False,
        "b3again": False,
    }
    assert report["runs"][0]["command"] == "pneumonia train home --also far --seed 0"
    (spread,) = report["seeds"]
    assert spread["runs"] == ["a0", "a1"]
    assert spread["score"]["deviation"] == 0
    (spread,) = report["folds"]
    assert spread["runs"] == ["b", "b3"]
    (spread,) = report["repeats"]
    assert spread["runs"] == ["b3", "b3again"]
