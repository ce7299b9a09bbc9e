"""Two models on the same images."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from tests.evaluations import evaluation
from training.comparison import compare, delong, to_markdown
from training.data import DataError
from training.metrics import auroc


def _scores(seed: int, gap: float, images: int = 300) -> tuple[np.ndarray, ...]:
    """Two scores that share most of their noise; ``gap`` makes the second one better."""
    generator = np.random.default_rng(seed)
    y_true = generator.random(images) < 0.4
    shared = generator.normal(0, 1, images)
    one, other = (
        y_true * strength + shared + generator.normal(0, 0.5, images)
        for strength in (1.0, 1.0 + gap)
    )
    return y_true, one, other


def test_delong_is_right_as_often_as_it_says() -> None:
    """Of models that are equally good, one in twenty comparisons comes out below 0.05."""
    found = [delong(*_scores(seed, 0.0)) for seed in range(300)]
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.085
    assert 0.4 < np.median(found) < 0.6


def test_delong_is_what_the_spread_of_the_difference_makes_it() -> None:
    y_true, one, other = _scores(0, 0.4)
    gaps = []
    generator = np.random.default_rng(1)
    for _ in range(2000):
        rows = generator.integers(0, len(y_true), len(y_true))
        gaps.append(auroc(y_true[rows], one[rows]) - auroc(y_true[rows], other[rows]))
    z = abs(roc_auc_score(y_true, one) - roc_auc_score(y_true, other)) / np.std(gaps)
    assert delong(y_true, one, other) == pytest.approx(2 * norm.sf(z), rel=0.4)


def test_equal_models_are_equal_and_a_better_one_is_better() -> None:
    y_true, _, _ = _scores(0, 0.0)
    assert delong(y_true, y_true * 0.5, y_true * 2.0) == 1.0
    truth = ["viral" if ill else "normal" for ill in y_true]
    noise = np.random.default_rng(3).random(len(y_true))
    good, bad = 0.3 * noise + 0.6 * y_true, 0.8 * noise + 0.2 * y_true
    one, other = (
        evaluation(*zip(truth, ["normal"] * len(truth), values.tolist(), strict=True))
        for values in (good, bad)
    )
    same = compare(one, one, 100)
    assert {row.p for row in same.differences.values()} == {1.0}
    assert (same.delong, same.images, same.left_out) == (1.0, len(truth), 0)
    better = compare(one, other, 100).differences["auroc"]
    assert better.low > 0
    assert better.p < 0.05
    assert better.one - better.other == pytest.approx(
        roc_auc_score(y_true, good) - roc_auc_score(y_true, bad)
    )
    assert "| auroc | 1.000 |" in to_markdown(compare(one, other, 100), "good", "bad")


def test_what_one_of_them_refused_is_left_out() -> None:
    rows = [("normal", "normal", 0.1), ("viral", "pneumonia", 0.9), ("viral", "pneumonia", 0.8)]
    one = evaluation(*rows, ("normal", "refused", 0.0), ("normal", "normal", 0.3))
    other = evaluation(*rows, ("normal", "normal", 0.2), ("normal", "refused", 0.0))
    found = compare(one, other, 100)
    assert (found.images, found.left_out) == (3, 2)
    with pytest.raises(DataError, match="did not read the same files"):
        compare(one, evaluation(*rows))
