"""Mutated files of every format against the decoders, and any request against the whole service.

    python -m benchmarks.fuzz [--inputs 120000] [--seed 0] [--formats DICOM PNG ...]
    python -m benchmarks.fuzz --save PNG 1234

An input is made from its format and its number alone, so that a find can be made again. The report
is ``fuzz.json``; it fails when something escapes, crashes, hangs, prints, or takes more time or
memory than stated. About six minutes on two cores.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.fuzz_dicom import DICOM
from benchmarks.fuzz_images import IMAGES
from benchmarks.fuzzing import MOST_CPU_SECONDS, MOST_MEGABYTES, Target, fuzz
from benchmarks.report import RESULTS, write_report

TARGETS: dict[str, Target] = {target.name: target for target in (*IMAGES, DICOM)}


def main(arguments: list[str] | None = None) -> int:
    """Fuzz and write ``fuzz.json``; fails when there is a find."""
    parser = argparse.ArgumentParser(description="Fuzz the decoders.")
    parser.add_argument("--inputs", type=int, default=120_000, help="of all formats together")
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--formats", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    parser.add_argument("--save", nargs=2, metavar=("FORMAT", "NUMBER"), help="only write an input")
    options = parser.parse_args(arguments)
    if options.save:
        name, number = options.save
        path = Path(f"fuzz-{name.lower()}-{number}")
        target = TARGETS[name]
        path.write_bytes(target.input(int(number), target.seeds()))
        print(f"wrote {path}")
        return 0
    each = options.inputs // len(options.formats)
    formats = {}
    for name in options.formats:
        with tempfile.NamedTemporaryFile() as printed:
            tally = fuzz(TARGETS[name], options.seed, options.seed + each, Path(printed.name))
        formats[name] = tally.figures()
        print(name, *(f"{key}: {value}" for key, value in formats[name].items()), sep="\n  ")
    figures = {
        "inputs": each * len(formats),
        "first": options.seed,
        "most_cpu_seconds": MOST_CPU_SECONDS,
        "most_megabytes": MOST_MEGABYTES,
        "formats": formats,
    }
    print(f"wrote {write_report('fuzz', figures, options.out)}")
    return 1 if any(entry["finds"] for entry in formats.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
