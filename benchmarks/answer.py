"""The example answer in the README: what the shipped model says of a published chest X-ray.

    python -m benchmarks.answer

The image is the chest of the `pydicom-data` package; the report is benchmarks/results/answer.json.
"""

import json
import subprocess
import sys
from importlib.resources import files

from benchmarks.report import ROOT, write_report

CHEST = "RG1_UNCR.dcm"


def main() -> int:
    """Ask the command line and keep its answer."""
    image = next(path for path in files("data_store").rglob(CHEST))  # type: ignore[attr-defined]
    command = [sys.executable, "-m", "service", "predict", str(image)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answer = json.loads(said.stdout)
    del answer["file"]  # where the package lies on this machine
    path = write_report("answer", {"image": CHEST, "answer": answer})
    print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
