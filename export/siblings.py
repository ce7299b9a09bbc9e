"""Predictions of other networks of a recipe, brought to the scale of the one that ships."""

from dataclasses import replace

from export.calibration import fit_scaling
from export.pool import Pool
from training.validation import Validation


def align(sibling: Validation, own: Validation, source: str) -> Validation:
    """A sibling's logits, moved so that it is undecided where the network that ships is.

    The log odds at which a network is undecided may differ between trainings of one recipe. What
    ships is calibrated with its own; the siblings tell how far scores spread on images held out in
    another way.

    Args:
        sibling: predictions of the other network.
        own: those of the network that ships.
        source: data set that both are calibrated on.
    """
    logits = sibling.logits.copy()
    logits[..., : sibling.labels.negatives] -= _undecided(own, source) - _undecided(sibling, source)
    return replace(sibling, logits=logits)


def _undecided(validation: Validation, source: str) -> float:
    """The log odds of disease, before any scaling, that are calibrated to a probability of 0.5."""
    scaling = fit_scaling(Pool.of(validation, source))
    return -scaling.offset * scaling.temperature
