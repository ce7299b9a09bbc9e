"""Session options of ONNX Runtime against each other, on all cores, in turns.

Run it with MALLOC_ARENA_MAX=1, as `make bench-tuning` does: the service's threads share one heap
too, and without it the arena looks like a gain.
"""

import statistics
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.load import repeat
from benchmarks.options import Options
from service.runtime.cpus import usable_cores

_ALL_CORES = {"enable_cpu_mem_arena": False, "intra_op_num_threads": usable_cores()}
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
    "all cores on one image": _ALL_CORES,
    "all cores on one image, no spinning": {**_ALL_CORES, "session.intra_op.allow_spinning": "0"},
}


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``tuning.json``."""
    sessions = {name: _session(str(options.model), set_) for name, set_ in VARIANTS.items()}
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(options.count or 5):
        for name, session in sessions.items():
            threads = 1 if "intra_op_num_threads" in VARIANTS[name] else usable_cores()
            rates[name].append(_rate(session, threads, options.seconds or 2))
    ours = rates[next(iter(VARIANTS))]
    return {
        "ratios": {
            name: round(statistics.median(b / a for a, b in zip(ours, rate, strict=True)), 3)
            for name, rate in rates.items()
        },
        "rates": {name: round(statistics.median(rate), 1) for name, rate in rates.items()},
    }


def _session(path: str, settings: dict[str, Any]) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for name, value in settings.items():
        if "." in name:
            options.add_session_config_entry(name, value)
        else:
            setattr(options, name, value)
    return ort.InferenceSession(path, options, ["CPUExecutionProvider"])


def _rate(session: ort.InferenceSession, threads: int, seconds: float) -> float:
    """Images a second, each thread one at a time."""
    _, height, width, _ = session.get_inputs()[0].shape
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 1), np.uint8)
    session.run(None, {"image": image})
    return repeat(lambda: session.run(None, {"image": image}), threads, seconds).rate
