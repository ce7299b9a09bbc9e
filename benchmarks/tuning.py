"""Session options of ONNX Runtime against each other, on all cores, in turns.

python -m benchmarks.tuning
"""

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.report import RESULTS, write_report
from service.runtime.cpus import usable_cores
from service.settings import DEFAULT_MODEL

# name -> attributes of the options; the first is what the service uses
VARIANTS: dict[str, dict[str, Any]] = {
    "one thread an image, no arena": {"enable_cpu_mem_arena": False},
    "with arena": {},
    "no memory pattern": {"enable_cpu_mem_arena": False, "enable_mem_pattern": False},
    "no graph optimisation": {
        "enable_cpu_mem_arena": False,
        "graph_optimization_level": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    },
    "extended graph optimisation": {
        "enable_cpu_mem_arena": False,
        "graph_optimization_level": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    },
    "all cores on one image": {"enable_cpu_mem_arena": False, "intra_op_num_threads": 0},
    "all cores on one image, no spinning": {
        "enable_cpu_mem_arena": False,
        "intra_op_num_threads": 0,
        "session.intra_op.allow_spinning": "0",
    },
}


def main() -> int:
    """Measure and write ``tuning.json``."""
    parser = argparse.ArgumentParser(description="Measure the runtime's options.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    arguments = parser.parse_args()
    cores = usable_cores()
    sessions = {name: _session(arguments.model, cores, **set_) for name, set_ in VARIANTS.items()}
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(arguments.rounds):
        for name, session in sessions.items():
            alone = VARIANTS[name].get("intra_op_num_threads") == 0
            rates[name].append(_rate(session, 1 if alone else cores, arguments.seconds))
    ours = rates[next(iter(VARIANTS))]
    ratios = {
        name: round(statistics.median(b / a for a, b in zip(ours, rate, strict=True)), 3)
        for name, rate in rates.items()
    }
    medians = {name: round(statistics.median(rate), 1) for name, rate in rates.items()}
    print(*(f"{name}: {ratio}" for name, ratio in ratios.items()), sep="\n")
    path = write_report("tuning", {"ratios": ratios, "rates": medians}, arguments.out)
    print(f"wrote {path}")
    return 0


def _session(path: Path, cores: int, **settings: Any) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for name, value in settings.items():
        if "." in name:
            options.add_session_config_entry(name, value)
        else:
            setattr(options, name, (value or cores) if name.startswith("intra") else value)
    return ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def _rate(session: ort.InferenceSession, threads: int, seconds: float) -> float:
    """Images a second, each thread one at a time."""
    _, height, width, _ = session.get_inputs()[0].shape
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 1), np.uint8)
    session.run(None, {"image": image})
    start = time.perf_counter()

    def work() -> int:
        count = 0
        while time.perf_counter() - start < seconds:
            session.run(None, {"image": image})
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        done = sum(worker.result() for worker in [pool.submit(work) for _ in range(threads)])
    return done / (time.perf_counter() - start)


if __name__ == "__main__":
    raise SystemExit(main())
