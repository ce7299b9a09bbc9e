"""Measure one thing and write its report, ``benchmarks/results/NAME.json``.

    python -m benchmarks NAME [FOLDER] [--seconds 8]

Each module of this package that has a function ``measure`` is one benchmark; its first lines say
what it measures. Ends with status 1 where the report names faults.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

from benchmarks.options import parse
from training.reports.files import write

NAMES = (
    *("speed", "peers", "growth", "tuning", "startup"),
    *("memory", "overload", "soak", "dicom_reader", "drift", "platforms", "ray_engine"),
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark that the words name."""
    name, options = parse(NAMES, words)
    figures = import_module(f"benchmarks.{name}").measure(options)
    for title, value in figures.items():
        print(f"{title}: {value}")
    write(options.out / f"{name}.json", figures)
    return 1 if figures.get("faults") else 0


if __name__ == "__main__":
    sys.exit(main())
