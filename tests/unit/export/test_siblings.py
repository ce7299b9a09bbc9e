"""Calibration and thresholds from several networks of one recipe."""

from dataclasses import replace

import numpy as np
import pytest

from export.calibration import fit_scaling, operating_points
from export.pool import Pool
from export.siblings import align
from tests.unit.export.test_expected import held_out
from training.validation import Validation, join


@pytest.fixture(scope="module")
def own() -> Validation:
    """Of the network that ships, clean images alone."""
    both = held_out(0.05)
    return replace(both, shifts=both.shifts[:1], logits=both.logits[:1])


def _moved(validation: Validation, times: float, higher: float) -> Validation:
    """A network that ranks images alike, with other log odds of disease."""
    logits = times * validation.logits + np.array([0, higher, higher], np.float32)
    return replace(validation, logits=logits)


@pytest.mark.parametrize("higher", [-2.0, 2.0])
def test_what_ships_keeps_its_own_offset_however_high_its_siblings_score(
    own: Validation, higher: float
) -> None:
    alone = fit_scaling(Pool.of(own, "data"))
    together = Pool.of(join(own, [align(_moved(own, 1, higher), own, "data")]), "data")
    found = fit_scaling(together)
    assert found.offset == pytest.approx(alone.offset, abs=0.01)
    assert found.temperature == pytest.approx(alone.temperature, rel=0.01)
    # one threshold suits both networks
    first, *_ = operating_points(together, found, "made")
    called = np.split(found.pneumonia(together.logits) >= first.threshold, 2)
    assert np.mean(called[0]) == pytest.approx(np.mean(called[1]), abs=0.01)


def test_the_spread_is_that_of_all_networks(own: Validation) -> None:
    sibling = _moved(own, 2, 0)
    temperatures = [fit_scaling(Pool.of(one, "data")).temperature for one in (own, sibling)]
    together = fit_scaling(Pool.of(join(own, [align(sibling, own, "data")]), "data"))
    assert temperatures[0] * 1.1 < together.temperature < temperatures[1] / 1.1
