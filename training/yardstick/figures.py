"""The figures of docs/yardstick.md, of the runs of one candidate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.shortcuts import Booleans, Floats
from training.yardstick.images import ADULTS, CHILDREN, SCREENING, Images
from training.yardstick.scores import Scores
from training.yardstick.statistics import draw_patients, weighted_aurocs, weighted_shares

FEWEST = 10  # of each class, for the AUROC of a device cluster to be worth a figure


@dataclass(frozen=True)
class Question:
    """Two sets of images that a network should tell apart.

    Attributes:
        name: of the figure.
        positive: bool ``[N]``, the images that should score higher.
        negative: bool ``[N]``, the others.
    """

    name: str
    positive: Booleans
    negative: Booleans


def measure(images: Images, runs: Sequence[Scores], held_out: str) -> dict[str, Floats]:
    """Every figure, averaged over the runs, as it is and in bootstrap draws of the patients.

    Args:
        images: of the yardstick.
        runs: of one candidate, each of another fold or seed.
        held_out: what the figure of all held-out children is called, such as ``blocked``.

    Returns:
        Figure -> float64 ``[1 + DRAWS]``, the value itself first. A figure that one of the runs
        cannot give is left out.
    """
    weights = draw_patients(images)
    each = [_measure_run(images, run, held_out, weights) for run in runs]
    shared = [name for name in each[0] if all(name in one for one in each)]
    return {name: np.mean([one[name] for one in each], axis=0) for name in shared}


def _measure_run(images: Images, run: Scores, held_out: str, weights: Floats) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for question in _questions(images, run, held_out):
        if not question.positive.any() or not question.negative.any():
            continue
        rows = question.positive | question.negative
        score = run.viral if question.name == "kind" else run.probability
        found[question.name] = weighted_aurocs(
            score[rows], question.positive[rows], weights[:, rows]
        )
        if question.name != "kind":
            y_pred = run.probability >= run.threshold
            positive, negative = question.positive, question.negative
            found[f"{question.name}_sensitivity"] = weighted_shares(
                y_pred[positive], weights[:, positive]
            )
            found[f"{question.name}_specificity"] = weighted_shares(
                ~y_pred[negative], weights[:, negative]
            )
    for ending in ("", "_report"):
        pair = [f"same_look_healthy{ending}", f"same_look_ill{ending}"]
        if all(name in found for name in pair):
            found[f"same_look{ending}"] = np.mean([found[name] for name in pair], axis=0)
    views = [found[f"unseen_{view}"] for view in ("ap", "pa") if f"unseen_{view}" in found]
    if views:
        found["unseen"] = np.mean(views, axis=0)
    clusters = [found[name] for name in found if name.removeprefix("cluster").isdigit()]
    if clusters:
        found["worst_cluster"] = np.min(clusters, axis=0)
    return found | _false_alarms(images, run, weights)


def _false_alarms(images: Images, run: Scores, weights: Floats) -> dict[str, Floats]:
    """What a network says of the healthy adults of a hospital it never saw."""
    rows = (images.part == SCREENING) & ~images.y_true
    probability, weights = run.probability[rows], weights[:, rows]
    found = {
        "healthy_adults": weighted_shares(probability < run.threshold, weights),
        "healthy_adults_at_half": weighted_shares(probability < 0.5, weights),
    }
    if not np.isnan(run.refused[rows]).any():
        uncertain = run.uncertain[rows] > 0
        decided = (probability >= run.threshold) & ~uncertain
        found["healthy_adults_refused"] = weighted_shares(run.refused[rows] > 0, weights)
        found["healthy_adults_uncertain"] = weighted_shares(uncertain, weights)
        found["healthy_adults_pneumonia"] = weighted_shares(decided, weights)
    return found


def _questions(images: Images, run: Scores, held_out: str) -> Iterator[Question]:
    children = run.held_out & (images.part == CHILDREN)
    positive, negative = children & images.y_true, children & ~images.y_true
    for half, ending in ((images.choosing, ""), (~images.choosing, "_report")):
        against, along = images.conflicting & half, ~images.conflicting & half
        yield Question(f"conflicting{ending}", positive & against, negative & against)
        yield Question(f"same_look_healthy{ending}", positive & along, negative & against)
        yield Question(f"same_look_ill{ending}", positive & against, negative & along)
    yield Question(held_out, positive, negative)
    for cluster in np.unique(images.cluster[children]):
        inside = images.cluster == cluster
        if min((positive & inside).sum(), (negative & inside).sum()) >= FEWEST:
            yield Question(f"cluster{cluster}", positive & inside, negative & inside)
    yield Question("kind", positive & images.viral, positive & ~images.viral)
    adults = images.part == ADULTS
    learnt_from_none = run.held_out[adults].all()
    for view in ("AP", "PA"):
        name = f"{'unseen' if learnt_from_none else 'adults'}_{view.lower()}"
        one = adults & run.held_out & (images.view == view)
        yield Question(name, one & images.y_true, one & ~images.y_true)
    screening = images.part == SCREENING
    yield Question("tuberculosis", screening & images.y_true, screening & ~images.y_true)
