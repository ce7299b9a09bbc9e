"""What decoding JPEG at a reduced size does to the answers, against decoding every pixel."""

import time
from typing import Any

import numpy as np

from benchmarks.options import Options
from service.imaging.decode import decode
from service.imaging.preprocess import DECODE_MARGIN, to_model_input
from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``drift.json``."""
    model, images = OnnxModel(options.model), options.images
    margins = {str(margin): drift(model, images, margin) for margin in (1, 2, DECODE_MARGIN)}
    return {"images": len(images), "margin": DECODE_MARGIN, "margins": margins}


def drift(model: OnnxModel, images: list[bytes], margin: int) -> dict[str, Any]:
    """How far answers move when no side is decoded larger than ``margin`` times the input needs.

    Returns:
        Mean and largest absolute difference of the probability of pneumonia, how many decisions at
        ``balanced`` change, and the time of scaled decoding as a part of that of full decoding.
    """
    spec, columns = model.contract.input, list(model.contract.pneumonia_columns)
    point = model.contract.operating_point("balanced")
    answers: dict[int | None, list[float]] = {None: [], margin: []}
    seconds: dict[int | None, float] = {None: 0.0, margin: 0.0}
    for data in images:
        for setting, answer in answers.items():
            begun = time.thread_time()
            at_least = None if setting is None else setting * max(spec.height, spec.width)
            decoded = decode(data, Limits(), at_least).image
            image = to_model_input(decoded, spec.height, spec.width, spec.resampling)
            seconds[setting] += time.thread_time() - begun
            answer.append(float(model.run(image[np.newaxis]).probabilities[0, columns].sum()))
    apart = np.abs(np.subtract(answers[None], answers[margin]))
    pairs = zip(answers[None], answers[margin], strict=True)
    return {
        "mean": round(float(apart.mean()), 6),
        "largest": round(float(apart.max()), 6),
        "decisions_changed": sum(point.decide(full) != point.decide(less) for full, less in pairs),
        "time_to_full": round(seconds[margin] / seconds[None], 3),
    }
