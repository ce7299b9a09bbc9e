"""Does the plain call make a useful model of few images, and how long does it take?

``python -m training.reports.small_data FOLDER`` takes 300 images of the published children's set,
trains and exports by the commands without options, and scores the file on 800 images of other
patients. It writes ``models/reports/small_data.json``.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from service.cli import main as pneumonia
from training.layouts import find_samples
from training.reports.files import REPORTS, place, read, write
from training.samples import Sample

IMAGES = 300
OTHERS = 800


def main() -> None:
    """Train, export, evaluate, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a labelled data set of at least 1,100 images")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (default: 0)")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    arguments = parser.parse_args()
    few, others = choose(find_samples(arguments.folder), arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        link(few, folder / "few")
        link(others, folder / "others")
        run, model, report = folder / "run", folder / "few.onnx", folder / "report"
        seconds = {}
        for words in (
            ["train", folder / "few", "--out", run],
            ["export", run, "--out", model],
            ["evaluate", model, folder / "others", "--out", report],
        ):
            start = perf_counter()
            if pneumonia([str(word) for word in words]):
                raise SystemExit(1)
            seconds[str(words[0])] = perf_counter() - start
        evaluated = read(report / "report.json")
    figures = {name: evaluated["figures"][name] for name in ("auroc", "accuracy", "ece")}
    made = {
        "images": len(few),
        "patients": len({sample.patient for sample in few}),
        "other_images": evaluated["images"],
        "other_patients": evaluated["patients"],
        "refused": evaluated["refused"],
        "figures": figures,
        "seconds": seconds,
        "load": os.getloadavg()[2],  # of the last 15 minutes: 1 a core where nothing else runs
    }
    write(arguments.out / "small_data.json", made)
    minutes = (seconds["train"] + seconds["export"]) / 60
    area = figures["auroc"]["value"]
    print(f"AUROC {area:.3f} on {OTHERS} others; {minutes:.1f} minutes to train and export")


def block(report: dict[str, Any]) -> str:
    """The report in a sentence."""
    area, seconds = report["figures"]["auroc"], report["seconds"]
    minutes = (seconds["train"] + seconds["export"]) / 60
    return (
        f"Measured: {report['images']} images of {report['patients']} children, trained and "
        f"exported by the plain calls in {minutes:.0f} minutes, give an AUROC of "
        f"{area['value']:.3f} ({area['low']:.3f} to {area['high']:.3f}) on "
        f"{report['other_images']} images of other children of the same hospital, {place(report)} "
        f"(load {report['load']:.1f})."
    )


def choose(samples: Sequence[Sample], seed: int) -> tuple[list[Sample], list[Sample]]:
    """Images to train on and images to score, of patients drawn at random, none of them in both."""
    patients = np.random.default_rng(seed).permutation(sorted({one.patient for one in samples}))
    order = {patient: number for number, patient in enumerate(patients)}
    drawn = sorted(samples, key=lambda sample: (order[sample.patient], sample.name))
    few = drawn[:IMAGES]
    seen = {sample.patient for sample in few}
    return few, [sample for sample in drawn[IMAGES:] if sample.patient not in seen][:OTHERS]


def link(samples: Sequence[Sample], folder: Path) -> None:
    """Lay the files out as a user would, by class."""
    for sample in samples:
        target = folder / sample.path.parent.name / sample.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(sample.path.resolve())


if __name__ == "__main__":
    main()
