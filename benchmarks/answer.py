"""The example answer in the README: what the shipped model says of the page's example.

    python -m benchmarks.answer

The report is benchmarks/results/answer.json.
"""

import json
import subprocess
import sys

from benchmarks.report import ROOT, write_report

EXAMPLE = "service/web/example.jpg"


def main() -> int:
    """Ask the command line and keep its answer."""
    command = [sys.executable, "-m", "service", "predict", EXAMPLE]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answer = json.loads(said.stdout)
    path = write_report("answer", {"answer": answer})
    print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
