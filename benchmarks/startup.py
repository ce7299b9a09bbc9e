"""Start to ready, from the start of the process to the first 200 of `/health`, and idling.

    python -m benchmarks.startup

Imports, loading and checking the model, its golden outputs and the warm-up are all inside. The
first run may read from a cold disk; all runs are in the report. Then another is left alone and its
use of the processor measured.
"""

import argparse
import statistics
import time
from pathlib import Path

from benchmarks.processes import cpu_seconds
from benchmarks.report import RESULTS, write_report
from benchmarks.running import running_service


def main() -> int:
    """Measure and write ``startup.json``."""
    parser = argparse.ArgumentParser(description="Measure start to ready.")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--idle", type=int, default=30, help="seconds to leave it alone")
    parser.add_argument("--model", type=Path, help="by default the shipped one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    arguments = parser.parse_args()
    seconds = []
    for number in range(arguments.runs):
        with running_service(arguments.model) as service:
            seconds.append(service.seconds_to_ready)
        print(f"run {number + 1} of {arguments.runs}: {seconds[-1]:.2f} s")
    with running_service(arguments.model) as service:
        idle = idle_use(service.pid, arguments.idle)
    figures = {
        "runs_seconds": [round(value, 3) for value in seconds],
        "median_seconds": round(statistics.median(seconds), 3),
        "low_seconds": round(min(seconds), 3),
        "high_seconds": round(max(seconds), 3),
        "idle_percent_of_a_core": idle,
    }
    path = write_report("startup", figures, arguments.out)
    print(f"median {figures['median_seconds']} s, idle {idle} % of a core; wrote {path}")
    return 0


def idle_use(pid: int, seconds: int) -> float:
    """Processor time of a service that nobody asks, in percent of one core."""
    time.sleep(1)  # what starting left to do
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return round((cpu_seconds(pid) - before) / seconds * 100, 1)


if __name__ == "__main__":
    raise SystemExit(main())
