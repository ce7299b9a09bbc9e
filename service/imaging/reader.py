"""Encoded bytes to what the model sees: decoding and resizing together."""

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from PIL import Image

from service.imaging.decode import decode
from service.imaging.dicom_pool import DicomPool
from service.imaging.preprocess import Resampling, decoded_side, fit
from service.imaging.radiograph import Limits, Pixels, Radiograph


@dataclass(frozen=True)
class ReadImage:
    """An image that is ready for the model.

    Attributes:
        radiograph: what was decoded; its image is the one the model sees, which lets the large one
            go.
        seconds: decoding and resizing.
    """

    radiograph: Radiograph
    seconds: float

    @property
    def pixels(self) -> Pixels:
        """Uint8 ``[height, width, 1]``."""
        return np.asarray(self.radiograph.image)[..., np.newaxis]


class ImageReader:
    """Reads encoded images for one model, one at a time, on the calling thread; safe to share."""

    def __init__(self, height: int, width: int, resampling: Resampling, limits: Limits) -> None:
        """Start no process yet.

        Args:
            height: rows of the model's input.
            width: columns of the model's input.
            resampling: Pillow's filter.
            limits: what may be decoded.
        """
        self._height, self._width, self._resampling = height, width, resampling
        self._limits = limits
        self._dicom_pool = DicomPool()

    def close(self) -> None:
        """End the processes that read DICOM files."""
        self._dicom_pool.close()

    def read(self, data: bytes) -> ReadImage:
        """The image as the model sees it.

        Raises:
            PneumoniaError: see :func:`service.imaging.decode.decode`.
        """
        start = perf_counter()
        _, seen = self.read_both(data)
        return ReadImage(seen, perf_counter() - start)

    def read_both(self, data: bytes) -> tuple[Radiograph, Radiograph]:
        """The image before it is resized, and the same with the image that the model sees.

        Raises:
            PneumoniaError: as :meth:`read`.
        """
        decoded = self.decode(data)
        seen = self._resize(decoded)
        left, top, right, bottom = seen.content
        columns, rows = (right - left) * decoded.image.width, (bottom - top) * decoded.image.height
        scaled = decoded.image.size != (decoded.width, decoded.height)
        if scaled and (columns < self._width or rows < self._height):
            # wide borders leave fewer of the scaled pixels than the model takes in
            decoded = self.decode(data, max(decoded.width, decoded.height))
            seen = self._resize(decoded)
        return decoded, seen

    def decode(self, data: bytes, at_least: int | None = None) -> Radiograph:
        """The image before it is resized.

        Args:
            data: the whole file.
            at_least: so many pixels a side; by default as many as the model needs.

        Raises:
            PneumoniaError: as :meth:`read`.
        """
        at_least = at_least or decoded_side(self._height, self._width)
        return decode(data, self._limits, at_least, self._dicom_pool)

    def _resize(self, radiograph: Radiograph) -> Radiograph:
        pixels, content = fit(radiograph.image, self._height, self._width, self._resampling)
        return replace(radiograph, image=Image.fromarray(pixels[..., 0]), content=content)
