"""What answers to smaller versions of an image differ in from those to the whole original."""

import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from benchmarks.options import Options
from service.imaging.decode import decode
from service.imaging.preprocess import (
    COPY_SIZE,
    DECODE_MARGIN,
    decoded_side,
    squash,
    to_model_input,
)
from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel

_MARGINS = (1, 1.25, 1.5, 2, DECODE_MARGIN, 3)

Read: TypeAlias = Callable[[bytes], Image.Image]


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``drift.json``."""
    model, images = OnnxModel(options.model), options.images
    return {
        "images": len(images),
        "margin": DECODE_MARGIN,
        "margins": {str(one): drift(model, images, scaled(model, one)) for one in _MARGINS},
        "copies": drift(model, images, copied, scaled(model, DECODE_MARGIN)),
    }


def scaled(model: OnnxModel, margin: float) -> Read:
    """Decodes to at least this many times the size to which images are reduced."""
    at_least = decoded_side(model.contract.input.height, model.contract.input.width, margin)
    return lambda data: decode(data, Limits(), at_least).image


def copied(data: bytes) -> Image.Image:
    """A copy of the size of the published training images in place of the original."""
    return Image.fromarray(squash(whole(data), COPY_SIZE, COPY_SIZE)[..., 0])


def whole(data: bytes) -> Image.Image:
    """The original in full."""
    return decode(data, Limits()).image


def drift(
    model: OnnxModel, images: list[bytes], smaller: Read, larger: Read = whole
) -> dict[str, Any]:
    """How far answers move when images are not read whole.

    Args:
        model: answers.
        images: JPEG files.
        smaller: reads less of them.
        larger: what is compared with, and reads more.

    Returns:
        Mean and largest absolute difference of the probability of pneumonia, how many decisions at
        ``balanced`` change, and the time of reading as a part of the larger one's.
    """
    spec, columns = model.contract.input, list(model.contract.pneumonia_columns)
    point = model.contract.operating_point("balanced")
    answers: dict[Read, list[float]] = {larger: [], smaller: []}
    seconds = dict.fromkeys(answers, 0.0)
    for data in images:
        for read, answer in answers.items():
            begun = time.thread_time()
            image = to_model_input(read(data), spec.height, spec.width, spec.resampling)
            seconds[read] += time.thread_time() - begun
            answer.append(float(model.run(image[np.newaxis]).probabilities[0, columns].sum()))
    apart = np.abs(np.subtract(answers[larger], answers[smaller]))
    pairs = zip(answers[larger], answers[smaller], strict=True)
    return {
        "mean": round(float(apart.mean()), 6),
        "largest": round(float(apart.max()), 6),
        "decisions_changed": sum(point.decide(full) != point.decide(less) for full, less in pairs),
        "time_to_full": round(seconds[smaller] / seconds[larger], 3),
    }
