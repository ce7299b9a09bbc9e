"""How a probability becomes a decision, and what was measured of that: parts of the contract."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

Decision: TypeAlias = Literal["pneumonia", "normal", "uncertain"]
Purpose: TypeAlias = Literal["decision", "screening"]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """A part of the contract: unchangeable, and without fields that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rate(Part):
    """A measured fraction with its 95 % interval."""

    value: Fraction
    low: Fraction
    high: Fraction


class UncertainBand(Part):
    """What an uncertain band was measured to do.

    Attributes:
        pneumonia: the share of the images with pneumonia that is answered ``uncertain``.
        normal: the share of those without that is.
        sensitivity: of the images with pneumonia that are answered otherwise, the share that is
            answered ``pneumonia``.
        specificity: of the images without that are answered otherwise, the share that is answered
            ``normal``.
    """

    pneumonia: Rate
    normal: Rate
    sensitivity: Rate
    specificity: Rate


def _purpose_by_name(fields: dict[str, Any]) -> Purpose:
    return "screening" if fields.get("name") == "screening" else "decision"


class OperatingPoint(Part):
    """One way of turning the probability of pneumonia into a decision.

    Attributes:
        name: what a request asks for.
        purpose: ``decision``: ``pneumonia`` and ``normal`` say which of the two is likelier
            right. ``screening``: nearly nobody with pneumonia may be missed, so ``pneumonia`` says
            only that a person must look at the image, even where the probability is small.
        threshold: pneumonia at or above it.
        uncertain_low: with ``uncertain_high`` the band ``low <= probability < high`` that is
            answered ``uncertain``; both None where there is no band.
        sensitivity: of the threshold alone, as if there was no band.
        specificity: of the threshold alone, as if there was no band.
        uncertain: what the band does; None where there is none, or where nobody measured it.
        rule: how the threshold was chosen, in words.
        data: on which images it was chosen and measured.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    # files written before 2026-11-28 do not say it
    purpose: Purpose = Field(default_factory=_purpose_by_name)
    threshold: Fraction
    uncertain_low: Fraction | None = None
    uncertain_high: Fraction | None = None
    sensitivity: Rate
    specificity: Rate
    uncertain: UncertainBand | None = None
    rule: str
    data: str

    @model_validator(mode="after")
    def _band_holds_the_threshold(self) -> Self:
        low, high = self.uncertain_low, self.uncertain_high
        if (low is None) != (high is None):
            raise ValueError("uncertain_low and uncertain_high go together")
        if low is not None and high is not None and not low <= self.threshold <= high:
            raise ValueError("the uncertain band must hold the threshold")
        if low is None and self.uncertain is not None:
            raise ValueError("an uncertain band that is measured needs its limits")
        return self

    def decide(self, probability: float) -> Decision:
        """The decision for a probability of pneumonia, 0..1."""
        low, high = self.uncertain_low, self.uncertain_high
        if low is not None and high is not None and low <= probability < high:
            return "uncertain"
        return "pneumonia" if probability >= self.threshold else "normal"


class SubtypeRule(Part):
    """When the kind of pneumonia is named: see :meth:`Contract.subtype`.

    Attributes:
        least_share: the share of the probability of pneumonia that the likeliest label must have.
        named: of the images of a known subtype that are answered ``pneumonia`` at ``balanced``,
            the share whose subtype is named; None where nobody measured it.
        correct: the share of those whose subtype is named correctly, each subtype having the same
            weight; None where nobody measured it.
        data: on which images that was measured.
    """

    least_share: Fraction = 0.6
    named: Rate | None = None
    correct: Rate | None = None
    data: str = ""
