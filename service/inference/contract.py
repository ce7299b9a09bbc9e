"""What a model file promises: written by the export into the file, read and checked by the service.

The contract travels as JSON under one key of the ONNX ``metadata_props``, so that a model file is
complete by itself: nobody has to guess its labels, its scaling or its threshold.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, Field, NonNegativeInt, ValidationError, model_validator

from service.errors import InvalidRequest, ModelFileError
from service.imaging.preprocess import Resampling
from service.inference.operating_point import Fraction, OperatingPoint, Part, SubtypeRule

METADATA_KEY = "pneumonia_contract"
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$"


class InputSpec(Part):
    """The graph's input: uint8 ``[N, height, width, 1]``, grey, 0 black .. 255 white."""

    name: Literal["image"] = "image"
    height: int = Field(ge=32, le=2048)
    width: int = Field(ge=32, le=2048)
    resampling: Resampling = "bilinear"


class Histogram(Part):
    """Counts of reference images between ascending edges (one more edge than counts)."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.edges) != len(self.counts) + 1 or list(self.edges) != sorted(self.edges):
            raise ValueError("a histogram needs ascending edges, one more than counts")
        return self


class LungRule(Part):
    """What the lungs of a frontal chest X-ray are at least; see ``service.inference.lungs``.

    Attributes:
        least_area: share of the image.
        least_separation: of the two lungs.
    """

    least_area: Fraction
    least_separation: Fraction


class Golden(Part):
    """A generated pattern and what the graph gave for it when it was exported."""

    pattern: int = Field(ge=0)
    sha256: str
    probabilities: tuple[Fraction, ...]
    distance: float | None = None


class Contract(Part):
    """Everything a service or a reader must know about a model file.

    Attributes:
        pneumonia_labels: those that count as disease, of whatever kind; they are what the decision
            ``pneumonia`` stands for.
        finding: what they mean together, in words.
        temperature: by which the log odds of pneumonia are divided inside the graph.
        offset: what is then added to them.
        subtype_temperature: by which the logits of the kinds of pneumonia are divided.
        lung_rule: limits for the shape of the lungs in the graph's ``lung_mask``; None where the
            graph does not look for lungs.
        calibration_prevalence: the share of pneumonia for which the probabilities are calibrated;
            None where nobody knows.
        subtype_rule: when the kind of pneumonia is named.
        site: whose images scaling, thresholds and figures were fitted to by `pneumonia calibrate`;
            None for those that the model came with.
        population_age_years: youngest and oldest age, in completed years, that the figures hold
            for; None where nobody knows.
        objections: why the export refused to make the file until it was forced.
    """

    format_version: Literal[1, 2] = 2  # 1 had no lungs
    name: str = Field(pattern=NAME)
    version: str = Field(pattern=VERSION)
    created: datetime
    labels: tuple[str, ...] = Field(min_length=2)
    pneumonia_labels: tuple[str, ...] = Field(min_length=1)
    finding: str = Field(default="pneumonia", min_length=1, max_length=64)
    input: InputSpec
    temperature: float = Field(gt=0)
    offset: float = Field(default=0.0, allow_inf_nan=False)
    subtype_temperature: float = Field(
        default=1.0,
        gt=0,
        # the second is what files written before 2026-11-27 call it
        validation_alias=AliasChoices("subtype_temperature", "kind_temperature"),
    )
    operating_points: tuple[OperatingPoint, ...] = Field(min_length=1)
    subtype_rule: SubtypeRule = SubtypeRule()
    calibration: str = ""
    site: str | None = Field(default=None, min_length=1, max_length=100)
    calibration_prevalence: float | None = Field(default=None, gt=0, lt=1)
    input_check_limit: float | None = Field(default=None, gt=0)
    lung_rule: LungRule | None = None
    population: str
    population_age_years: tuple[NonNegativeInt, NonNegativeInt] | None = None
    training_data: str
    objections: tuple[str, ...] = ()
    reference_histograms: dict[Literal["probability", "distance"], Histogram] = Field(
        default_factory=dict
    )
    metrics: dict[str, float] = Field(default_factory=dict)
    parity: dict[str, float] = Field(default_factory=dict)
    libraries: dict[str, str] = Field(default_factory=dict)
    golden: tuple[Golden, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _labels_agree(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        ages = self.population_age_years
        if ages is not None and ages[0] > ages[1]:
            raise ValueError("population_age_years must be the youngest, then the oldest")
        if not set(self.pneumonia_labels) < set(self.labels):
            raise ValueError("pneumonia_labels must be some, not all, of the labels")
        names = [point.name for point in self.operating_points]
        if len(set(names)) != len(names) or "balanced" not in names:
            raise ValueError("operating points need distinct names, one of them 'balanced'")
        if any(len(golden.probabilities) != len(self.labels) for golden in self.golden):
            raise ValueError("golden outputs need one probability a label")
        return self

    @property
    def pneumonia_columns(self) -> tuple[int, ...]:
        """Which columns of ``probabilities`` mean pneumonia."""
        return tuple(self.labels.index(label) for label in self.pneumonia_labels)

    def operating_point(self, name: str) -> OperatingPoint:
        """The operating point of that name.

        Raises:
            InvalidRequest: there is none.
        """
        for point in self.operating_points:
            if point.name == name:
                return point
        known = ", ".join(point.name for point in self.operating_points)
        raise InvalidRequest(f"This model has no operating point of that name. It has: {known}.")

    def subtype(self, probabilities: Sequence[float], point: OperatingPoint) -> str | None:
        """The kind of pneumonia that an image shows; the one place that says whether to name it.

        Args:
            probabilities: one a label.
            point: what decides.

        Returns:
            None unless both ``point``, which must not be for screening, and ``balanced``, at which
            the rule was measured, answer ``pneumonia``; None for a close call by ``subtype_rule``,
            and where only one label means pneumonia.
        """
        columns = self.pneumonia_columns
        pneumonia = sum(probabilities[column] for column in columns)
        points = (point, self.operating_point("balanced"))
        if point.purpose == "screening" or len(columns) == 1:
            return None
        if any(one.decide(pneumonia) != "pneumonia" for one in points):
            return None
        likeliest = max(columns, key=probabilities.__getitem__)
        if probabilities[likeliest] < self.subtype_rule.least_share * pneumonia:
            return None
        return self.labels[likeliest]

    def to_metadata(self) -> dict[str, str]:
        """The entry to write into an ONNX file's ``metadata_props``."""
        return {METADATA_KEY: self.model_dump_json()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """Read the contract from an ONNX file's metadata.

        Raises:
            ModelFileError: there is none, or it is not whole; one line that names the first fault.
        """
        if METADATA_KEY not in metadata:
            raise ModelFileError(
                "the model file carries no contract; make one with `pneumonia export`"
            )
        try:
            return cls.model_validate_json(metadata[METADATA_KEY])
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "contract"
            raise ModelFileError(
                f"the model file's contract is broken: {place}: {first['msg']}"
            ) from None


def golden_pattern(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """An image that is the same on every machine: integer arithmetic, no random generator.

    Args:
        number: which pattern; each mixes waves and steps of other lengths.
        height: rows.
        width: columns.

    Returns:
        uint8 ``[height, width, 1]``.
    """
    y, x = np.indices((height, width), np.int64)
    ramp = (x * (3 + number) + y * (5 + 2 * number)) % 256
    bumps = (x * x + (1 + number) * y * y + x * y) // (64 + 32 * number) % 256
    pattern: NDArray[np.uint8] = ((ramp + 2 * bumps) // 3).astype(np.uint8)
    return pattern[..., np.newaxis]


def pattern_hash(pattern: NDArray[np.uint8]) -> str:
    """SHA-256 of a pattern's samples, hexadecimal."""
    return hashlib.sha256(pattern.tobytes()).hexdigest()
