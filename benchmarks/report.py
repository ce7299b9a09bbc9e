"""Report files: what a benchmark found and on what, as JSON that `benchmarks.publish` reads."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from service.runtime.cpus import usable_cores

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"

# what decides how fast a network runs on a processor, from plain to fast
_INSTRUCTION_SETS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8")


def write_report(name: str, figures: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write the figures of benchmark ``name``, with what they were measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    report = {**figures, "measured_on": measured_on()}
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return path


def read_report(name: str, folder: Path = RESULTS) -> dict[str, Any]:
    """Read the report of benchmark ``name``.

    Raises:
        FileNotFoundError: it was never run.
    """
    report: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return report


def measured_on() -> dict[str, str | int]:
    """Cores, instruction sets and versions: what another machine must have to compare."""
    return {
        "cores": usable_cores(),
        "processor": " ".join([platform.machine(), *_instruction_sets()]),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
    }


def _instruction_sets() -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has it
        return []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return [name for name in _INSTRUCTION_SETS if name in flags]
