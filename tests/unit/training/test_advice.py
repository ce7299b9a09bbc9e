"""What follows from an evaluation."""

import numpy as np
import pytest

from service.inference.operating_point import OperatingPoint, Rate
from tests.evaluations import evaluation
from training.advice import advise, images_needed
from training.evaluate import Evaluation

POINT = OperatingPoint(
    name="balanced",
    threshold=0.5,
    sensitivity=Rate(value=0.95, low=0.93, high=0.97),
    specificity=Rate(value=0.95, low=0.93, high=0.97),
    rule="",
    data="",
)


def _made(skill: float, images: int = 400, shift: float = 0.0, refused: int = 0) -> Evaluation:
    """Calibrated probabilities that tell half of the images by so much; ``shift`` moves them."""
    generator = np.random.default_rng(0)
    odds = generator.normal(0, skill, images)
    ill = generator.random(images) < 1 / (1 + np.exp(-odds))
    probability = 1 / (1 + np.exp(-odds - shift))
    answers = [
        ("viral" if one else "normal", "pneumonia" if value >= 0.5 else "normal", float(value))
        for one, value in zip(ill, probability, strict=True)
    ]
    return evaluation(*answers, *[("normal", "refused", 0.0)] * refused)


@pytest.mark.parametrize(
    ("made", "verdict", "reason"),
    [
        (_made(9), "keep", "hold"),
        (_made(9, shift=6), "recalibrate", "specificity is"),
        (_made(1.5), "retrain", "below 0.85"),
        (_made(0.2), "do not use", "may not tell ill from healthy"),
        (_made(9, images=50), "collect more images", "below 30 nothing can be said"),
    ],
)
def test_the_report_ends_with_what_to_do(made: Evaluation, verdict: str, reason: str) -> None:
    advice = advise(made, POINT, 0.1)
    assert advice.verdict == verdict
    assert reason in " ".join(advice.reasons)


def test_refused_images_are_pointed_at() -> None:
    assert "20 of 420 images were refused" in advise(_made(9, refused=20), POINT, 0.1).reasons[-1]


def test_as_many_images_as_are_said_to_be_needed_give_the_wanted_width() -> None:
    generator = np.random.default_rng(0)
    for share in (0.7, 0.95):
        value = float((generator.random(200) < share).mean())
        half = 1.96 * np.sqrt(value * (1 - value) / 200)
        needed = images_needed(
            Rate(value=value, low=value - half, high=min(1, value + half)), 200, 0.05
        )
        drawn = (generator.random((2000, needed)) < share).mean(axis=1)
        low, high = np.percentile(drawn, [2.5, 97.5])
        assert high - low == pytest.approx(0.05, rel=0.25)


def test_images_of_the_same_patients_count_less() -> None:
    rate = Rate(value=0.8, low=0.7, high=0.9)
    wider = Rate(value=0.8, low=0.6, high=1.0)
    assert images_needed(wider, 100, 0.1) == pytest.approx(
        4 * images_needed(rate, 100, 0.1), rel=0.01
    )
    # nothing went wrong so far: no promise that nothing will
    assert images_needed(Rate(value=1, low=1, high=1), 30, 0.1) > 30
