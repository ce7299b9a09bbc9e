"""Start to ready, from the start of the process to the first 200 of `/health`, and idling.

Imports, loading and checking the model, its golden outputs and the warm-up are all inside. The
first run may read from a cold disk; all runs are in the report. Then another is left alone and its
use of the processor measured.
"""

import statistics
import time
from typing import Any

from benchmarks.options import Options
from benchmarks.usage import cpu_seconds


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``startup.json``."""
    runs = []
    for _ in range(options.count or 7):
        begun = time.perf_counter()
        with options.service():
            runs.append(round(time.perf_counter() - begun, 3))
    idle = options.seconds or 30
    with options.service() as service:
        time.sleep(1)  # what starting left to do
        before = cpu_seconds(service.pid)
        time.sleep(idle)
        used = cpu_seconds(service.pid) - before
    return {
        "runs_seconds": runs,
        "median_seconds": round(statistics.median(runs), 3),
        "low_seconds": min(runs),
        "high_seconds": max(runs),
        "idle_percent_of_a_core": round(used / idle * 100, 1),
    }
