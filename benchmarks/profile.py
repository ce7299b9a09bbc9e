"""Where a running service's time goes: py-spy looks at its stacks many times a second."""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_SAMPLES_A_SECOND = 200

# Part of a frame's text -> whose time it is. A stack belongs to its innermost frame that is here.
_OWNERS = {
    "onnxruntime/": "model",
    "to_model_input": "resize",
    "service/imaging/": "decode",
    "service/http/uploads": "upload",
    "service/http/forms": "upload",
    "python_multipart": "upload",
    "service/inference/predictor": "decision",
    "service/http/schemas": "answer",
    "service/http/problems": "answer",
    "pydantic": "answer",
    "service/runtime/metrics": "metrics and log",
    "prometheus_client": "metrics and log",
    "service/process/logs": "metrics and log",
    "logging/": "metrics and log",
    "service/http/middleware": "framework",
    "service/runtime/admission": "admission",
    "service/runtime/cost": "admission",
    "service/http/disconnect": "admission",
    "concurrent/futures": "admission",
    "fastapi/": "framework",
    "starlette/": "framework",
    "service/process/protocol": "HTTP server",
    "uvicorn/": "HTTP server",
    "uvloop/": "HTTP server",
    "asyncio/": "HTTP server",
}


def profile(pid: int, load: Callable[[], object], seconds: int, picture: Path) -> dict[str, float]:
    """Sample a process under load, half of the time for a picture and half for a table.

    Args:
        pid: of the service.
        load: what keeps it busy, at least for ``seconds``.
        seconds: how long to look.
        picture: where the flame graph goes, SVG.

    Returns:
        Owner -> part of the samples of threads that were not idle.
    """
    picture.parent.mkdir(parents=True, exist_ok=True)
    half = max(1, seconds // 2)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        stacks = Path(folder) / "stacks.txt"
        running = pool.submit(load)
        _record(pid, half, "raw", stacks)
        _record(pid, half, "flamegraph", picture)
        running.result()
        return shares(stacks.read_text(encoding="utf-8"))


def shares(stacks: str) -> dict[str, float]:
    """Owner -> part of the samples, largest first, of lines ``frame;frame;... count``."""
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        samples[_owner(frames.split(";"))] += int(count)
    return {name: round(count / samples.total(), 4) for name, count in samples.most_common()}


def _owner(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, owner in _OWNERS.items():
            if part in frame:
                return owner
    return "other"


def _record(pid: int, seconds: int, form: str, out: Path) -> None:
    program = str(Path(sys.executable).parent / "py-spy")
    length, rate = str(seconds), str(_SAMPLES_A_SECOND)
    subprocess.run(
        [program, "record", "-p", str(pid), "-d", length, "-r", rate, "-f", form, "-o", str(out)],
        check=True,
        capture_output=True,
    )
