"""A site's own baseline for drift: its first weeks, frozen by ``pneumonia baseline``.

What drifts is compared by the Kolmogorov-Smirnov statistic: the largest difference between two
cumulative distributions, 0..1, here at the edges of the service's histograms. A move of the mean
probability is never larger than it.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import StartError
from service.inference.contract import Histogram

Quantity: TypeAlias = Literal["probability", "distance", "refused", "percentile_window"]
# images by the upper edge of their bucket, each with all below it, as Prometheus counts them
Cumulative: TypeAlias = Mapping[str, float]

ALL = "+Inf"
# of what is only yes or no: the images where it is no
NO = "0"


class Baseline(BaseModel):
    """The distributions that later images are compared with.

    Attributes:
        model_sha256: of the model that gave the answers; with another model it says nothing.
        source: where the images came from, for a person.
        counts: of each quantity.
        from_reference: by how much probability and distance differ from the reference histograms
            of the model file, 0..1, told once when the baseline was frozen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    created: datetime
    model: str
    version: str
    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str
    counts: dict[Quantity, dict[str, float]]
    from_reference: dict[Quantity, float] = {}

    @model_validator(mode="after")
    def _are_cumulative(self) -> Self:
        for quantity, counts in self.counts.items():
            ordered = [counts[edge] for edge in sorted(counts, key=float)]
            if ordered != sorted(ordered) or not counts.get(ALL, 0) > 0 or ordered[0] < 0:
                raise ValueError(f"the counts of {quantity} are not cumulative up to {ALL}")
        return self

    def images(self, quantity: Quantity) -> float:
        """How many images the distribution is made of."""
        return self.counts[quantity][ALL]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file that ``pneumonia baseline`` wrote.

        Raises:
            StartError: it cannot be read, or is not whole.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            reason = error.strerror or "it cannot be read"
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
        raise StartError(
            f"the file of PNEUMONIA_BASELINE: {reason}; make one with `pneumonia baseline`"
        )


def largest_difference(one: Cumulative, other: Cumulative) -> float:
    """The Kolmogorov-Smirnov statistic at the edges that both have, 0..1."""
    edges = one.keys() & other.keys()
    return max(abs(one[edge] / one[ALL] - other[edge] / other[ALL]) for edge in edges)


def cumulative(reference: Histogram) -> Cumulative:
    """A reference histogram of a model file in the form of a baseline."""
    total, counts = 0, {}
    for edge, count in zip(reference.edges[1:], reference.counts, strict=True):
        total += count
        counts[str(edge)] = float(total)
    return {**counts, ALL: float(total)}
