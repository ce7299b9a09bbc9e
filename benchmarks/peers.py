"""Our service and its peers under the same load, one after the other.

Each runs alone on the same cores, in an environment under `build/peers`, made once. wrk drives each
to its throughput; then requests arrive at five times that, and later at half of it, to see what an
overload does and whether it passes. A peer that cannot be installed or started is told so.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import CLIENTS_A_CORE, PREDICTED, Payload, form, open_inference, raw, wrk
from benchmarks.open_loop import arrive
from benchmarks.options import Options
from benchmarks.usage import memory_megabytes
from service.runtime.cpus import usable_cores
from tests.process import ROOT, free_port, server_process, status_of
from tests.waiting import wait_until

ENVIRONMENTS = ROOT / "build" / "peers"
_REQUIREMENTS = Path(__file__).parent / "peer_servers" / "requirements"
_OVERLOAD = 5


@dataclass(frozen=True)
class Peer:
    """One server: what it is asked and how it is set."""

    name: str
    payload: Callable[[Sequence[bytes]], Payload]
    path: str
    setting: str


PEERS = (
    Peer("ours", raw, "/predict", "as shipped; raw body"),
    Peer("litserve", form, "/predict", "a process a core, fast queue; form"),
    Peer("bentoml", form, "/predict", "a process a core, one thread each; form"),
    Peer("ray", raw, "/predict", "a replica a core, two requests each at most; raw body"),
    Peer(
        "mlserver",
        open_inference,
        "/v2/models/pneumonia/infer",
        "a process a core, its own runtime; base64 in JSON, as its protocol has it",
    ),
    Peer("flask", form, "/predict", "threads, Keras `model.predict`; form"),
)


def measure(options: Options) -> dict[str, Any]:
    """The figures of ``peers.json``."""
    found = {}
    for peer in PEERS:
        if options.only and peer.name not in options.only:
            continue
        try:
            found[peer.name] = _measure(peer, options)
        except (subprocess.CalledProcessError, RuntimeError, AssertionError) as error:
            found[peer.name] = {"failed": str(error).replace(f"{ROOT}/", "")[:200]}
        found[peer.name]["setting"] = peer.setting
        print(peer.name, found[peer.name])
    return {"peers": found}


def _measure(peer: Peer, options: Options) -> dict[str, Any]:
    seconds, cores, payload = options.seconds or 15, usable_cores(), peer.payload(options.images)
    with _running(peer, options.model, payload) as (port, pid, ready):
        wrk(port, peer.path, payload, cores, 1)
        load = wrk(port, peer.path, payload, CLIENTS_A_CORE * cores, seconds)
        memory = memory_megabytes(pid)
        flood = arrive(port, peer.path, payload, max(1.0, _OVERLOAD * load.rate), seconds)
        answered = flood.load(*PREDICTED)
        after = arrive(port, peer.path, payload, max(1.0, load.rate / 2), seconds / 3)
        calm = after.load(*PREDICTED)
        sent = sum(answered.statuses.values()) + flood.failures
        return {
            "rate": round(load.rate, 2),
            "p50_ms": round(load.p50_ms, 1),
            "p99_ms": round(load.p99_ms, 1),
            "statuses": load.statuses,
            "ready_seconds": round(ready, 2),
            "megabytes": round(memory),
            "overload": {
                "answered_part": round(answered.predicted / max(1, sent), 3),
                "statuses": answered.statuses,
                "failures": flood.failures,
                "p99_ms": round(answered.p99_ms, 1),
            },
            "all_answered_after": after.failures == 0
            and calm.predicted == sum(calm.statuses.values()),
        }


@contextmanager
def _running(peer: Peer, model: Path, payload: Payload) -> Iterator[tuple[int, int, float]]:
    """Start a server and wait for its first answer; its port, its pid, and how long that took."""
    port = free_port()
    environment = {"PYTHONPATH": str(ROOT)}
    if peer.name == "ours":
        command = [sys.executable, "-m", "service", "serve"]
        environment |= {"PNEUMONIA_PORT": str(port), "PNEUMONIA_MODEL": str(model)}
    else:
        command = [_interpreter(peer.name), "-m", f"benchmarks.peer_servers.{peer.name}_server"]
        command += [str(port), str(usable_cores()), str(model)]
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    log = ENVIRONMENTS / f"{peer.name}.log"
    started = time.perf_counter()
    with server_process(command, log, environment) as process:

        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{peer.name} ended with status {process.returncode}: see {log}")
            body = payload.bodies[0]
            return status_of(port, peer.path, body, payload.content_type) in PREDICTED

        wait_until(answers, f"{peer.name} answers: see {log}")
        yield port, process.pid, time.perf_counter() - started


def _interpreter(name: str) -> str:
    """That of a peer's environment, made if it is not there."""
    folder = ENVIRONMENTS / name
    python, installed = folder / "bin" / "python", folder / ".installed"
    pins = _REQUIREMENTS / f"{name}.txt"
    if not installed.exists() or installed.stat().st_mtime < pins.stat().st_mtime:
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(pins)]
        subprocess.run(install, check=True)
        installed.touch()
    return str(python)
