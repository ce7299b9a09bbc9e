"""What every decoder returns, whatever the file format was."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.uint8]
# left, top, right and bottom, as parts of an image's width and height
Shares: TypeAlias = tuple[float, float, float, float]
WHOLE: Shares = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class PredictionWarning:
    """Something the reader of an answer should know: a stable code and a sentence."""

    code: str
    detail: str


@dataclass(frozen=True)
class Limits:
    """What a decoder may be asked to do.

    Attributes:
        max_pixels: the largest width x height that is decoded; checked before decoding.
    """

    max_pixels: int = 64_000_000


@dataclass(frozen=True)
class Uids:
    """Which DICOM object an image is; each None where the file names none, or no valid one."""

    study: str | None
    series: str | None
    instance: str | None


@dataclass(frozen=True)
class Source:
    """Where a DICOM object comes from.

    Attributes:
        uids: which object it is.
        manufacturer: of the device, in capitals; empty where the file names none.
        device_model: the manufacturer's name of it, in capitals; empty where the file names none.
    """

    uids: Uids
    manufacturer: str
    device_model: str


@dataclass(frozen=True)
class Radiograph:
    """A decoded X-ray.

    Attributes:
        image: grey, 8 bits (mode ``L``), 0 black (air) .. 255 white (bone). May be smaller than the
            original where the decoder could scale while decoding.
        format: ``JPEG``, ``PNG``, ``DICOM``, ...
        width: columns of the original, after its orientation was applied.
        height: rows of the original, after its orientation was applied.
        bit_depth: significant bits a sample in the file.
        warnings: what the decoder had to assume.
        content: left, top, right and bottom of what plain borders leave, as shares of the original;
            the image that a model sees shows no more.
        age_years: completed years of the patient's age; None where the file states none that can be
            read, or is of a format that states none.
        source: only of DICOM files.
    """

    image: Image.Image
    format: str
    width: int
    height: int
    bit_depth: int
    warnings: tuple[PredictionWarning, ...] = ()
    content: Shares = WHOLE
    age_years: int | None = None
    source: Source | None = None

    @property
    def uids(self) -> Uids | None:
        """Which DICOM object it is; only of DICOM files."""
        return self.source.uids if self.source else None
