"""How many images of each source and label a run learnt from, and how many it held out.

    python -m benchmarks.partitions RUN FOLDER...

RUN is a folder of `pneumonia train`, the others are the data sets it was given; the report is
models/reports/partitions.json. An image is counted once, however often an epoch shows it.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from benchmarks.report import ROOT
from training.data import LABELS, Sample, find_samples

REPORT = ROOT / "models" / "reports" / "partitions.json"
UNKNOWN_KIND = "pneumonia"


def main() -> int:
    """Count and write the report."""
    parser = argparse.ArgumentParser(description="Count the images of a run.")
    parser.add_argument("run", type=Path, help="folder of `pneumonia train`")
    parser.add_argument("folders", type=Path, nargs="+", help="the data sets it was given")
    parser.add_argument("--out", type=Path, default=REPORT, help="the report's file")
    arguments = parser.parse_args()
    held_out = set((arguments.run / "validation.txt").read_text().split("\n"))
    report = {
        folder.name: partitions(find_samples(folder), held_out) for folder in arguments.folders
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"wrote {arguments.out}")
    return 0


def partitions(samples: list[Sample], held_out: set[str]) -> dict[str, dict[str, int]]:
    """Label -> part -> images.

    Args:
        samples: of one data set.
        held_out: names of the images that validate, as a run lists them.
    """
    found: dict[str, Counter[str]] = {}
    for sample in samples:
        kind = max(range(len(LABELS)), key=sample.target.__getitem__)
        label = LABELS[kind] if sample.target[kind] > 0.99 else UNKNOWN_KIND
        part = "held_out" if f"{sample.source}/{sample.path.name}" in held_out else "training"
        found.setdefault(label, Counter())[part] += 1
    return {label: dict(counts) for label, counts in found.items()}


if __name__ == "__main__":
    raise SystemExit(main())
