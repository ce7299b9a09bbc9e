"""What decoding JPEG at a reduced size does to the answers, against decoding every pixel.

python -m training.reports.drift [FOLDER]
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from service.imaging.decode import decode
from service.imaging.preprocess import DECODE_MARGIN, to_model_input
from service.imaging.radiograph import Limits
from service.inference.model import OnnxModel
from service.settings import DEFAULT_MODEL
from training.reports.files import NATIVE, REPORTS, write


def main() -> None:
    """Measure and write ``drift.json``."""
    parser = argparse.ArgumentParser(description="Measure what scaled decoding changes.")
    parser.add_argument("folder", type=Path, nargs="?", default=NATIVE, help="of JPEG files")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--out", type=Path, default=REPORTS, help="the report's folder")
    arguments = parser.parse_args()
    images = [file.read_bytes() for file in sorted(arguments.folder.rglob("*.jp*g"))]
    if not images:
        parser.error(f"there is no JPEG file under {arguments.folder}")
    model = OnnxModel(arguments.model)
    margins = {str(margin): drift(model, images, margin) for margin in (1, 2, DECODE_MARGIN)}
    figures = {"images": len(images), "margin": DECODE_MARGIN, "margins": margins}
    write(arguments.out / "drift.json", figures)


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


if __name__ == "__main__":
    main()
