"""Report files, with what they were measured on, and tables in Markdown."""

import json
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from service.runtime.cpus import usable_cores

ROOT = Path(__file__).parent.parent.parent
REPORTS = ROOT / "models" / "reports"
RESULTS = ROOT / "benchmarks" / "results"
# chest X-rays of the size that devices make, where a machine has them
NATIVE = ROOT.parent / "shared" / "data" / "chest_xray_native"

# what decides how fast a network runs on a processor, from plain to fast
_INSTRUCTION_SETS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8")


def write(file: Path, figures: dict[str, Any], *, place: bool = True) -> None:
    """Write figures as JSON and tell where.

    Args:
        file: to write; its folder is made.
        figures: of the report.
        place: whether they depend on the machine, which is then written too.
    """
    report = {**figures, "measured_on": measured_on()} if place else figures
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {file}")


def read(file: Path) -> dict[str, Any]:
    """The figures of a report.

    Raises:
        FileNotFoundError: it was never written.
    """
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def measured_on() -> dict[str, str | int]:
    """Cores, instruction sets and versions: what another machine must have to compare."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has it
        lines = []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    sets = [name for name in _INSTRUCTION_SETS if name in flags]
    return {
        "cores": usable_cores(),
        "processor": " ".join([platform.machine(), *sets]),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
    }


def place(report: dict[str, Any]) -> str:
    """What a report was measured on, in words."""
    place = report["measured_on"]
    return (
        f"on {place['cores']} cores ({place['processor']}) with ONNX Runtime {place['onnxruntime']}"
    )


def rounded_rate(rate: dict[str, float]) -> str:
    """A value with its 95 % interval."""
    return f"{rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f})"


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
