"""What answers to smaller versions of an image differ in from those to the whole original."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.options import Options
from service.imaging.decode import decode
from service.imaging.preprocess import DECODE_MARGIN, squash, to_model_input
from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel

_COPY = 224  # pixels a side, as the published copies of the training images have them


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``drift.json``."""
    model, images = OnnxModel(options.model), options.images
    margins = {str(margin): drift(model, images, margin) for margin in (1, 2, DECODE_MARGIN)}
    copies = drift(model, images, None)
    return {"images": len(images), "margin": DECODE_MARGIN, "margins": margins, "copies": copies}


def drift(model: OnnxModel, images: list[bytes], margin: int | None) -> dict[str, Any]:
    """How far answers move when images are not decoded whole.

    Args:
        model: answers.
        images: JPEG files.
        margin: no side is decoded larger than this many times what the input needs; None for a
            copy of 224 x 224 pixels in place of the original.

    Returns:
        Mean and largest absolute difference of the probability of pneumonia, how many decisions at
        ``balanced`` change, and the time of reading as a part of that of the whole original.
    """
    spec, columns = model.contract.input, list(model.contract.pneumonia_columns)
    point = model.contract.operating_point("balanced")
    at_least = None if margin is None else margin * max(spec.height, spec.width)
    ways: tuple[Callable[[bytes], Image.Image], ...] = (
        lambda data: decode(data, Limits()).image,
        lambda data: decode(data, Limits(), at_least).image if at_least else _copy(data),
    )
    answers: tuple[list[float], list[float]] = [], []
    seconds = [0.0, 0.0]
    for data in images:
        for number, read in enumerate(ways):
            begun = time.thread_time()
            image = to_model_input(read(data), spec.height, spec.width, spec.resampling)
            seconds[number] += time.thread_time() - begun
            probabilities = model.run(image[np.newaxis]).probabilities
            answers[number].append(float(probabilities[0, columns].sum()))
    apart = np.abs(np.subtract(*answers))
    return {
        "mean": round(float(apart.mean()), 6),
        "largest": round(float(apart.max()), 6),
        "decisions_changed": sum(
            point.decide(whole) != point.decide(other)
            for whole, other in zip(*answers, strict=True)
        ),
        "time_to_full": round(seconds[1] / seconds[0], 3),
    }


def _copy(data: bytes) -> Image.Image:
    return Image.fromarray(squash(decode(data, Limits()).image, _COPY, _COPY)[..., 0])
