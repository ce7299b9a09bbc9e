"""What is reported of a run that ships: its images, counted.

    python -m training.reports.shipped RUN FOLDER...

RUN is a folder of `pneumonia train`, the others are the data sets it was given. Writes
``partitions.json``. An image is counted once, however often an epoch shows it.
"""

import argparse
from collections import Counter
from itertools import chain
from pathlib import Path

from training.data import Sample, find_samples
from training.reports.example import trained_on
from training.reports.files import REPORTS, write


def main() -> None:
    """Count, and write the report."""
    parser = argparse.ArgumentParser(description="Count the images of a run.")
    parser.add_argument("run", type=Path, help="folder of `pneumonia train`")
    parser.add_argument("folders", type=Path, nargs="+", help="the data sets it was given")
    arguments = parser.parse_args()
    held_out = set((arguments.run / "validation.txt").read_text().split("\n"))
    found = {folder.name: find_samples(folder) for folder in arguments.folders}
    seen = trained_on(chain.from_iterable(found.values()), held_out)
    if seen:
        raise SystemExit(
            f"The run was trained on the patient of the example that ships ({', '.join(seen)}): "
            "hold that patient out, or choose another example (training/reports/example.py)."
        )
    counts = {name: partitions(samples, held_out) for name, samples in found.items()}
    write(REPORTS / "partitions.json", counts, place=False)


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
