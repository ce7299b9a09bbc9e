"""Evaluations of made answers."""

import numpy as np

from training.evaluate import Answer, Evaluation
from training.metrics import Scores, measure_with_intervals


def evaluation(*answers: tuple[str, str, float]) -> Evaluation:
    """Of ``(truth, decision, probability of pneumonia)``, all of it viral."""
    said = tuple(
        Answer(
            f"{number}.png",
            str(number),
            truth,
            decision,
            None if decision == "refused" else (1 - probability, 0.0, probability),
            None,
        )
        for number, (truth, decision, probability) in enumerate(answers)
    )
    answered = [one for one in said if one.probabilities]
    scores = Scores(
        np.array([one.probabilities for one in answered]),
        np.array([("normal", "bacterial", "viral").index(one.truth) for one in answered]),
        np.arange(len(answered)),
        0.5,
    )
    figures = measure_with_intervals(scores, resamples=100)
    return Evaluation("made", "none", "balanced", 0.5, said, (), scores, figures)
