"""What to do after an evaluation on one's own images, and how many images it would take to know."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from service.inference.operating_point import OperatingPoint, Rate
from training.budgets import FEWEST_IMAGES
from training.evaluate import Evaluation

Verdict: TypeAlias = Literal["collect more images", "do not use", "retrain", "recalibrate", "keep"]

USELESS = 0.7  # an AUROC whose interval ends below
WEAK = 0.85  # an AUROC below
MISCALIBRATED = 0.05  # an ECE whose interval begins above
REFUSED = 0.02  # share of refused images above which they are worth a look
_Z = 1.96
_WHAT_TO_DO = {
    "collect more images": "Add labelled images and evaluate again before you rely on the model.",
    "do not use": "Do not use this model on such images. Retrain it on images of your own, with "
    "`pneumonia train`, and evaluate the result on other images.",
    "retrain": "Retrain on images of your own, with `pneumonia train`: recalibration moves "
    "thresholds, and cannot make a model tell ill from healthy better.",
    "recalibrate": "Recalibrate with `pneumonia calibrate` on images of your own, and evaluate the "
    "result on other images.",
    "keep": "Keep the model as it is, and evaluate again when devices or patients change.",
}


@dataclass(frozen=True)
class Advice:
    """The end of a report.

    Attributes:
        verdict: what to do, in a word or three.
        reasons: what it follows from, in sentences.
        width: wanted, of the intervals.
        needed: for sensitivity and specificity, how many images with and without disease give an
            interval of the wanted width.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    width: float
    needed: dict[str, int]

    @property
    def what_to_do(self) -> str:
        """The verdict as a sentence."""
        return _WHAT_TO_DO[self.verdict]

    @property
    def how_many(self) -> str:
        """How many images an interval of the wanted width takes, as a sentence."""
        needed = " and ".join(f"{count} for the {name}" for name, count in self.needed.items())
        return (
            f"A 95 % interval {self.width:g} wide needs about {needed}: images with disease for "
            "the sensitivity, without it for the specificity."
        )


def advise(evaluation: Evaluation, point: OperatingPoint | None, width: float) -> Advice:
    """Judge an evaluation.

    Args:
        evaluation: of the model on the user's images.
        point: the operating point of the model file with what it promises; None for a network.
        width: wanted width of the 95 % intervals of sensitivity and specificity, 0..1.
    """
    positives = int(evaluation.scores.y_true.sum())
    negatives = len(evaluation.scores.truth) - positives
    counts = {"sensitivity": positives, "specificity": negatives}
    needed = {
        name: images_needed(evaluation.figures[name], count, width)
        for name, count in counts.items()
        if name in evaluation.figures
    }
    refused = sum(answer.decision == "refused" for answer in evaluation.answers)
    also = []
    if refused > REFUSED * len(evaluation.answers):
        also.append(
            f"{refused} of {len(evaluation.answers)} images were refused: look at them in "
            "answers.csv."
        )
    verdict, reasons = _judge(evaluation.figures, counts, point)
    return Advice(verdict, (*reasons, *also), width, needed)


def images_needed(rate: Rate, images: int, width: float) -> int:
    """How many images of a class give an interval of a rate that is so wide.

    By the normal approximation with two successes and failures added (Agresti and Coull 1998,
    doi 10.1080/00031305.1998.10480550), times the design effect: the square of how much wider the
    interval by patients is than it would be for independent images.

    Args:
        rate: measured, with its interval by bootstrap over patients.
        images: it was measured on, >= 1.
        width: wanted, of the 95 % interval, above 0.
    """
    share = (rate.value * images + 2) / (images + 4)
    spread = share * (1 - share)
    now = 2 * _Z * math.sqrt(spread / (images + 4))
    effect = max(1.0, ((rate.high - rate.low) / now) ** 2)
    return math.ceil(effect * spread * (2 * _Z / width) ** 2)


def _judge(
    figures: dict[str, Rate], counts: dict[str, int], point: OperatingPoint | None
) -> tuple[Verdict, list[str]]:
    names = {"sensitivity": "with disease", "specificity": "without disease"}
    few = [
        f"Only {count} images {names[name]} were answered; below {FEWEST_IMAGES} nothing can be "
        "said."
        for name, count in counts.items()
        if count < FEWEST_IMAGES
    ]
    if few:
        return "collect more images", few
    auroc = figures["auroc"]
    said = f"The AUROC is {_text(auroc)}"
    if auroc.low <= 0.5 or auroc.high < USELESS:
        return "do not use", [f"{said}: the model may not tell ill from healthy here."]
    if auroc.value < WEAK:
        return "retrain", [f"{said}, below {WEAK}."]
    reasons = []
    if figures["ece"].low > MISCALIBRATED:
        reasons.append(
            f"The calibration error is {_text(figures['ece'])}: probabilities cannot be read as "
            "such here."
        )
    for name in ("sensitivity", "specificity"):
        promised = getattr(point, name) if point else None
        if promised and figures[name].high < promised.low:
            reasons.append(
                f"The {name} is {_text(figures[name])}, and the model file says {_text(promised)}."
            )
    if reasons:
        return "recalibrate", [f"{said}: good enough.", *reasons]
    return "keep", [f"{said}, and calibration and thresholds hold."]


def _text(rate: Rate) -> str:
    return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"
