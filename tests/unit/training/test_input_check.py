"""The input check on features whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

from training.input_check import ACCEPTED, InputCheck, fit

GENERATOR = np.random.default_rng(0)
FEATURES = 150


def _chests(count: int) -> np.ndarray:
    """Correlated features around a mean; the last ten never move."""
    mixing = np.random.default_rng(1).normal(size=(20, FEATURES))
    features = 5 + GENERATOR.normal(size=(count, 20)) @ mixing
    features[:, -10:] = 0
    return features


@pytest.fixture(scope="module")
def check() -> InputCheck:
    return fit(_chests(1500), GENERATOR.normal(5, 8, (300, FEATURES)), _chests(4000), ("features",))


def test_the_limit_accepts_the_wanted_share_of_chests(check: InputCheck) -> None:
    assert (check.distance(_chests(4000)) <= check.limit).mean() == pytest.approx(
        ACCEPTED, abs=0.004
    )


def test_synthetic_ood_images_like_those_fitted_on_are_refused(check: InputCheck) -> None:
    assert (check.distance(GENERATOR.normal(5, 8, (200, FEATURES))) > check.limit).all()


def test_what_resembles_neither_is_refused_too(check: InputCheck) -> None:
    for strange in (np.zeros((1, FEATURES)), np.full((1, FEATURES), 40.0), -_chests(1)):
        assert check.distance(strange)[0] > check.limit


def test_a_channel_no_chest_excites_is_a_witness_but_no_veto(check: InputCheck) -> None:
    chests = _chests(50)
    plain = check.distance(chests)
    chests[:, -1] = 1e6
    excited = check.distance(chests)
    assert (excited > plain).all()
    assert np.isfinite(excited).all()
    assert (excited - plain).max() < 20 * check.limit


def test_mostly_silent_channels_are_no_obstacle() -> None:
    """As with few images, or a network at a size it was not made for."""
    chests, synthetic = _chests(200), GENERATOR.normal(5, 8, (60, FEATURES))
    chests[:, 40:] = synthetic[:, 40:] = 0
    check = fit(chests, synthetic, chests, ("features",))
    assert np.isfinite(check.distance(chests)).all()
    assert (check.distance(synthetic) > check.limit).all()


def test_it_survives_being_saved(check: InputCheck, tmp_path: Path) -> None:
    check.save(tmp_path / "check.npz")
    loaded = InputCheck.load(tmp_path / "check.npz")
    features = _chests(5)
    assert np.array_equal(check.distance(features), loaded.distance(features))
    assert loaded.limit == check.limit
    assert loaded.layers == check.layers


def test_single_precision_changes_next_to_nothing(check: InputCheck) -> None:
    features = _chests(20)
    assert np.allclose(
        check.single_precision().distance(features), check.distance(features), rtol=1e-3
    )
