"""Report files of the benchmarks, which `benchmarks.publish` reads."""

from pathlib import Path
from typing import Any

from training.reports import files

ROOT = files.ROOT
RESULTS = ROOT / "benchmarks" / "results"


def write_report(name: str, figures: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write the figures of benchmark ``name``, with what they were measured on."""
    path = folder / f"{name}.json"
    files.write(path, figures)
    return path


def read_report(name: str, folder: Path = RESULTS) -> dict[str, Any]:
    """Read the report of benchmark ``name``.

    Raises:
        FileNotFoundError: it was never run.
    """
    return files.read(folder / f"{name}.json")
