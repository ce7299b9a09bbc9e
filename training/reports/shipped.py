"""What is reported of a run that ships: its images, counted, and the example that ships with it.

    python -m training.reports.shipped RUN FOLDER...

RUN is a folder of `pneumonia train`, the others are the data sets it was given. Writes
``partitions.json``, in which an image is counted once, however often an epoch shows it, and
``answer.json``, what the shipped model answers for the example. No network that ships may be
trained on the example's patient.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from training.layouts import find_samples
from training.reports.files import REPORTS, ROOT, write
from training.samples import Sample

EXAMPLE = "service/web/example.jpg"
# the same image with its grey values inverted, at half its size
REFUSED = "service/web/example-refused.jpg"
# what the example is called in the children's data set, and its label there
ORIGINAL = "person1481_bacteria_3866.jpeg"
REFERENCE = "bacterial"


def main() -> None:
    """Count, ask, and write the reports."""
    parser = argparse.ArgumentParser(description="Report what is known of a run that ships.")
    parser.add_argument("run", type=Path, help="folder of `pneumonia train`")
    parser.add_argument("folders", type=Path, nargs="+", help="the data sets it was given")
    arguments = parser.parse_args()
    held_out = set((arguments.run / "validation.txt").read_text().split("\n"))
    found = {folder.name: find_samples(folder) for folder in arguments.folders}
    seen = trained_on(chain.from_iterable(found.values()), held_out)
    if seen:
        raise SystemExit(
            f"The run was trained on the patient of the example that ships ({', '.join(seen)}): "
            "hold that patient out, or choose another example (training/reports/shipped.py)."
        )
    counts = {name: partitions(samples, held_out) for name, samples in found.items()}
    write(REPORTS / "partitions.json", counts, place=False)
    write(REPORTS / "answer.json", answers())


def partitions(samples: list[Sample], held_out: set[str]) -> dict[str, dict[str, int]]:
    """Label -> part -> images.

    Args:
        samples: of one data set.
        held_out: names of the images that validate, as a run lists them.
    """
    found: dict[str, Counter[str]] = {}
    for sample in samples:
        part = "held_out" if sample.name in held_out else "training"
        found.setdefault(sample.label, Counter())[part] += 1
    return {label: dict(counts) for label, counts in found.items()}


def trained_on(samples: Iterable[Sample], held_out: set[str]) -> list[str]:
    """Names of images of the example's patient that a run was trained on.

    Args:
        samples: of the data sets of the run.
        held_out: names of the images that validate, as a run lists them.
    """
    samples = list(samples)
    patients = {sample.patient for sample in samples if sample.path.name == ORIGINAL}
    return [
        sample.name
        for sample in samples
        if sample.patient in patients and sample.name not in held_out
    ]


def answers() -> dict[str, object]:
    """What the shipped model says of the example, and of the one that it must refuse."""
    command = [sys.executable, "-m", "service", "predict", "--quiet", EXAMPLE, REFUSED]
    # the exit code only tells that one of them is refused
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in said.stdout.splitlines()]
    if len(found) != 2 or "decision" not in found[0] or "code" not in found[1]:
        raise SystemExit(
            f"The model must answer {EXAMPLE} and refuse {REFUSED}; it said: "
            f"{said.stdout or said.stderr}"
        )
    answer, refusal = found
    return {"original": ORIGINAL, "reference": REFERENCE, "answer": answer, "refusal": refusal}


if __name__ == "__main__":
    main()
