"""What answers to smaller versions of an image differ in from those to the whole original."""

import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from benchmarks.options import Options
from service.imaging.decode import decode
from service.imaging.preprocess import DECODE_MARGIN, squash, to_model_input
from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel

_COPY = 224  # pixels a side, as the published copies of the training images have them
_MARGINS = (1, 2, DECODE_MARGIN, 4)

Read: TypeAlias = Callable[[bytes], Image.Image]


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``drift.json``."""
    model, images = OnnxModel(options.model), options.images
    return {
        "images": len(images),
        "margin": DECODE_MARGIN,
        "margins": {str(one): drift(model, images, scaled(model, one)) for one in _MARGINS},
        "copies": drift(model, images, copied),
    }


def scaled(model: OnnxModel, margin: int) -> Read:
    """Decodes no side larger than this many times what the model's input needs."""
    at_least = margin * max(model.contract.input.height, model.contract.input.width)
    return lambda data: decode(data, Limits(), at_least).image


def copied(data: bytes) -> Image.Image:
    """A copy of 224 x 224 pixels in place of the original."""
    return Image.fromarray(squash(_whole(data), _COPY, _COPY)[..., 0])


def drift(model: OnnxModel, images: list[bytes], smaller: Read) -> dict[str, Any]:
    """How far answers move when images are not read whole.

    Args:
        model: answers.
        images: JPEG files.
        smaller: reads less of them.

    Returns:
        Mean and largest absolute difference of the probability of pneumonia, how many decisions at
        ``balanced`` change, and the time of reading as a part of that of the whole original.
    """
    spec, columns = model.contract.input, list(model.contract.pneumonia_columns)
    point = model.contract.operating_point("balanced")
    answers: dict[Read, list[float]] = {_whole: [], smaller: []}
    seconds = dict.fromkeys(answers, 0.0)
    for data in images:
        for read, answer in answers.items():
            begun = time.thread_time()
            image = to_model_input(read(data), spec.height, spec.width, spec.resampling)
            seconds[read] += time.thread_time() - begun
            answer.append(float(model.run(image[np.newaxis]).probabilities[0, columns].sum()))
    apart = np.abs(np.subtract(answers[_whole], answers[smaller]))
    pairs = zip(answers[_whole], answers[smaller], strict=True)
    return {
        "mean": round(float(apart.mean()), 6),
        "largest": round(float(apart.max()), 6),
        "decisions_changed": sum(point.decide(full) != point.decide(less) for full, less in pairs),
        "time_to_full": round(seconds[smaller] / seconds[_whole], 3),
    }


def _whole(data: bytes) -> Image.Image:
    return decode(data, Limits()).image
