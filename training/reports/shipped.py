"""What is reported of a run that ships: its images, counted, and its answer to the page's example.

    python -m training.reports.shipped RUN FOLDER...

RUN is a folder of `pneumonia train`, the others are the data sets it was given. Writes
``partitions.json`` and ``answer.json``. An image is counted once, however often an epoch shows it.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from training.data import Sample, find_samples
from training.reports.files import REPORTS, ROOT, write

EXAMPLE = "service/web/example.jpg"


def main() -> None:
    """Count, ask, and write both reports."""
    parser = argparse.ArgumentParser(description="Count the images of a run, and ask its model.")
    parser.add_argument("run", type=Path, help="folder of `pneumonia train`")
    parser.add_argument("folders", type=Path, nargs="+", help="the data sets it was given")
    arguments = parser.parse_args()
    held_out = set((arguments.run / "validation.txt").read_text().split("\n"))
    counts = {
        folder.name: partitions(find_samples(folder), held_out) for folder in arguments.folders
    }
    write(REPORTS / "partitions.json", counts, place=False)
    command = [sys.executable, "-m", "service", "predict", EXAMPLE]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    write(REPORTS / "answer.json", {"answer": json.loads(said.stdout)})


def partitions(samples: list[Sample], held_out: set[str]) -> dict[str, dict[str, int]]:
    """Label -> part -> images.

    Args:
        samples: of one data set.
        held_out: names of the images that validate, as a run lists them.
    """
    found: dict[str, Counter[str]] = {}
    for sample in samples:
        part = "held_out" if f"{sample.source}/{sample.path.name}" in held_out else "training"
        found.setdefault(sample.label, Counter())[part] += 1
    return {label: dict(counts) for label, counts in found.items()}


if __name__ == "__main__":
    main()
