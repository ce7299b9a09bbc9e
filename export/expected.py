"""What a model file may be expected to do elsewhere: its figures under several assumptions.

    python -m export.expected MODEL.onnx RUN [SIBLING ...]

For the images that each run held out, as they are, and with the conflicting ones (on which a model
without anatomy is wrong) repeated to a fifth of each side. Held-out patients of the training
hospital share its devices with the training images, so the figures as they are promise too much;
those with more conflicting images say what is left where the device tells less of the label. The
images of a sibling count twice: with scores aligned to the shipped network's, and as they are,
since the score at which a network is undecided moves with the device too.
Writes ``expected.json``.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from export.pool import Pool
from export.scaling import Scaling
from export.siblings import align
from service.inference.contract import Contract
from training.configuration import VALIDATION_FILE, RunConfiguration
from training.conflicting import SHARE
from training.metrics import Scores, measure_with_intervals, resampled
from training.reports.files import REPORTS, write
from training.validation import Validation
from training.yardstick.statistics import calibration

_RESAMPLES = 200  # of a calibration line, each of which is fitted


def main() -> None:
    """Measure and write ``expected.json``."""
    parser = argparse.ArgumentParser(description="Say what a model file may do elsewhere.")
    parser.add_argument("model", type=Path, help="what `pneumonia export` made of the first run")
    parser.add_argument("runs", type=Path, nargs="+", help="the run, and its siblings")
    parser.add_argument("--out", type=Path, default=REPORTS, help="the report's folder")
    arguments = parser.parse_args()
    session = ort.InferenceSession(arguments.model, providers=["CPUExecutionProvider"])
    contract = Contract.from_metadata(session.get_modelmeta().custom_metadata_map)
    assumptions = []
    own = Validation.load(arguments.runs[0] / VALIDATION_FILE)
    for folder in arguments.runs:
        run = RunConfiguration.read(folder)
        fold = f"fold {run.fold} of {run.folds}" if run.block is None else f"block {run.block}"
        images = Validation.load(folder / VALIDATION_FILE)
        held_out = {fold: images}
        if folder != arguments.runs[0]:
            aligned = align(images, own, run.sources[0])
            held_out = {f"{fold}, scores aligned": aligned, f"{fold}, its own scores": images}
        for name, validation in held_out.items():
            told = assume(validation, run.sources[0], contract)
            assumptions += [{"held_out": name, **assumption} for assumption in told]
    write(arguments.out / "expected.json", {"assumptions": assumptions}, place=False)


def assume(validation: Validation, source: str, contract: Contract) -> list[dict[str, Any]]:
    """The figures of one source's clean images, as they are and with more conflicting ones."""
    clean = replace(validation, shifts=validation.shifts[:1], logits=validation.logits[:1])
    scaling = Scaling(
        contract.temperature,
        contract.offset,
        contract.subtype_temperature,
        validation.labels.negatives,
    )
    shares = {
        "as they are": replace(clean, conflicting=np.zeros(len(clean.groups), bool)),
        f"{SHARE:.0%} of them conflicting": clean,
    }
    return [
        {
            "images": len(clean.groups[clean.sources == source]),
            "mixed": mixed,
            **_figures(Pool.of(images, source), scaling, contract),
        }
        for mixed, images in shares.items()
    ]


def _figures(pool: Pool, scaling: Scaling, contract: Contract) -> dict[str, Any]:
    probabilities = scaling.probabilities(pool.logits)

    def figures(point: str) -> dict[str, dict[str, float]]:
        threshold = contract.operating_point(point).threshold
        scores = Scores(probabilities, pool.truth, pool.patients, threshold, pool.labels)
        return {name: rate.model_dump() for name, rate in measure_with_intervals(scores).items()}

    screening = figures("screening")
    return {
        "figures": figures("balanced"),
        "screening": {name: screening[name] for name in ("sensitivity", "specificity")},
        "calibration": _calibration_lines(pool, scaling),
    }


def _calibration_lines(pool: Pool, scaling: Scaling) -> dict[str, dict[str, float]]:
    """Slope and intercept of :func:`calibration` with their 95 % intervals."""
    probability, y_true = scaling.pneumonia(pool.logits), pool.y_true
    value = calibration(probability, y_true)
    drawn = [
        calibration(probability[rows], y_true[rows])
        for rows in resampled(pool.patients, 0, _RESAMPLES)
    ]
    found = {}
    for name in ("slope", "intercept"):
        low, high = np.percentile([one[name] for one in drawn], [2.5, 97.5])
        found[name] = {"value": value[name], "low": float(low), "high": float(high)}
    return found


if __name__ == "__main__":
    main()
