"""Our service and its peers under the same load, one after the other.

    python -m benchmarks.peers [FOLDER]

Each runs alone on the same cores, in an environment under `build/peers`, made once. wrk drives each
to its throughput; then requests arrive at five times that, and later at half of it, to see what an
overload does and whether it passes. A peer that cannot be installed or started is told so.
"""

import argparse
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import NATIVE, Payload, form, images_of, made_images, open_inference, raw, wrk
from benchmarks.open_loop import JUDGED, arrive
from benchmarks.processes import resident_megabytes
from benchmarks.report import RESULTS, ROOT, write_report
from benchmarks.running import free_port
from service.runtime.cpus import usable_cores
from service.settings import DEFAULT_MODEL

_PATIENCE_SECONDS = 180
_CLIENTS_A_CORE = 3
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


def main() -> int:
    """Measure and write ``peers.json``."""
    parser = argparse.ArgumentParser(description="Measure our service and its peers.")
    parser.add_argument("folder", type=Path, nargs="?", default=NATIVE, help="of JPEG files")
    parser.add_argument("--made", action="store_true", help="use made images, no folder")
    parser.add_argument("--seconds", type=int, default=15, help="of each load")
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS])
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--environments", type=Path, default=ROOT / "build" / "peers")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    arguments = parser.parse_args()
    images = made_images() if arguments.made else images_of(arguments.folder)
    found = {}
    for peer in PEERS:
        if arguments.only and peer.name not in arguments.only:
            continue
        try:
            python = _environment(peer.name, arguments.environments)
            log = arguments.environments / f"{peer.name}.log"
            found[peer.name] = _measure(
                peer, python, images, arguments.model, arguments.seconds, log
            )
        except (subprocess.CalledProcessError, RuntimeError) as error:
            found[peer.name] = {"failed": str(error).replace(f"{ROOT}/", "")[:200]}
        found[peer.name]["setting"] = peer.setting
        print(peer.name, found[peer.name])
    path = write_report("peers", {"seconds": arguments.seconds, "peers": found}, arguments.out)
    print(f"wrote {path}")
    return 0


def _measure(
    peer: Peer, python: str, images: list[bytes], model: Path, seconds: int, log: Path
) -> dict[str, Any]:
    cores = usable_cores()
    payload = peer.payload(images)
    with _running(peer, python, cores, model, payload, log) as (port, pid, ready):
        wrk(port, peer.path, payload, cores, 1)
        load = wrk(port, peer.path, payload, _CLIENTS_A_CORE * cores, seconds)
        memory = resident_megabytes(pid)
        alone = wrk(port, peer.path, payload, 1, seconds / 3)
        flood = arrive(port, peer.path, payload, max(1.0, _OVERLOAD * load.rate), seconds)
        answered = flood.load(*JUDGED)
        after = arrive(port, peer.path, payload, max(1.0, load.rate / 2), seconds / 3)
        calm = after.load(*JUDGED)
        sent = sum(flood.load().statuses.values()) + flood.failures
        return {
            "rate": round(load.rate, 2),
            "p50_ms": round(load.p50_ms, 1),
            "p99_ms": round(load.p99_ms, 1),
            "one_client_p50_ms": round(alone.p50_ms, 1),
            "statuses": load.statuses,
            "ready_seconds": round(ready, 2),
            "megabytes": round(memory),
            "megabytes_after_overload": round(resident_megabytes(pid)),
            "overload": {
                "judged_part": round(answered.judged / max(1, sent), 3),
                "judged_rate": round(answered.judged / flood.ended, 2),
                "statuses": flood.load().statuses,
                "failures": flood.failures,
                "p50_ms": round(answered.p50_ms, 1),
                "p99_ms": round(answered.p99_ms, 1),
            },
            "after": {
                "all_judged": after.failures == 0 and calm.judged == sum(calm.statuses.values()),
                "p99_ms": round(calm.p99_ms, 1),
            },
        }


def _environment(name: str, folder: Path) -> str:
    """The interpreter of a peer's environment, made if it is not there."""
    if name == "ours":
        return sys.executable
    python = folder / name / "bin" / "python"
    installed = folder / name / ".installed"
    if not installed.exists():
        uv = str(Path(sys.executable).parent / "uv")
        pins = Path(__file__).parent / "requirements" / f"{name}.txt"
        subprocess.run([uv, "venv", "--quiet", "--clear", str(folder / name)], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(pins)], check=True
        )
        installed.touch()
    return str(python)


@contextmanager
def _running(
    peer: Peer, python: str, workers: int, model: Path, payload: Payload, log: Path
) -> Iterator[tuple[int, int, float]]:
    """Start a server and wait for its first answer; its port, its pid, and how long that took."""
    port = free_port()
    command = [python, "-m", f"benchmarks.peers.{peer.name}_server"]
    command += [str(port), str(workers), str(model)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if peer.name == "ours":
        command = [python, "-m", "service", "serve"]
        environment |= {"PNEUMONIA_PORT": str(port), "PNEUMONIA_MODEL": str(model)}
    started = time.perf_counter()
    # a session of its own, so that all of its processes can be ended together
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not _answers(port, peer.path, payload):
            if process.poll() is not None:
                raise RuntimeError(f"{peer.name} ended with status {process.returncode}: see {log}")
            if time.perf_counter() - started > _PATIENCE_SECONDS:
                raise RuntimeError(
                    f"{peer.name} gave no answer within {_PATIENCE_SECONDS} s: see {log}"
                )
            time.sleep(0.02)
        yield port, process.pid, time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
        with suppress(ProcessLookupError):  # all of its processes may have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int, path: str, payload: Payload) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, payload.bodies[0], {"Content-Type": payload.content_type})
        return connection.getresponse().status in JUDGED
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
