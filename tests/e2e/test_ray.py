"""`pneumonia predict --engine ray`, on a cluster of two Ray nodes on this machine, and on none."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.cli import main
from tests.dicom_files import real_file
from tests.images import image_bytes
from tests.process import ROOT
from tests.waiting import LONG_PATIENCE_SECONDS, wait_until

# What a fault in a codec does to the process that uses it, where an image holds these bytes.
_KILLER = b"kills its reader"
_SITECUSTOMIZE = f"""
import os, PIL.Image
_open = PIL.Image.open
def open(file, *args, **kwargs):
    if {_KILLER!r} in file.getvalue():
        os.abort()
    return _open(file, *args, **kwargs)
PIL.Image.open = open
"""
_MANY = 600


@dataclass
class Ray:
    """A cluster, and the command that uses it.

    Attributes:
        environment: of the command.
        lose_a_node: kills one of its two nodes.
    """

    environment: dict[str, str]
    lose_a_node: Callable[[], None]

    def start(self, model: Path, *words: str | Path) -> "subprocess.Popen[str]":
        """Start scoring."""
        command = [sys.executable, "-m", "service", "predict", "--engine", "ray", "--model", model]
        return subprocess.Popen(
            [str(word) for word in (*command, *words)],
            cwd=ROOT,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def predict(self, model: Path, *words: str | Path) -> tuple[int, str]:
        """Score; the exit code and what was written to standard error."""
        with self.start(model, *words) as process:
            _, error = process.communicate(timeout=LONG_PATIENCE_SECONDS)
            return process.returncode, error


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    """Two nodes of one core."""
    from ray.cluster_utils import Cluster

    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray's workers would wait for every other test that runs
        patch.setenv("RAY_worker_niceness", "0")
        # neither the processes that the tests do not need
        node = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_log_monitor": False}
        head = {**node, "include_dashboard": False, "no_monitor": True, "wait": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            second = cluster.add_node(wait=False, **node)
            cluster.wait_for_nodes(LONG_PATIENCE_SECONDS)
            environment = {**os.environ, "RAY_ADDRESS": cluster.address}
            yield Ray(environment, lambda: cluster.remove_node(second, allow_graceful=False))
        finally:
            cluster.shutdown()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images of all greys."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(_MANY):
        data = image_bytes(grey=50 + number % 150, size=(1600, 1280))
        (folder / f"{number:03}.jpg").write_bytes(data)
    return folder


def rows(out: Path, name: str = "answers") -> dict[str, dict[str, Any]]:
    """The table's rows by file, each of which is there once."""
    if not (out / name).exists():
        return {}
    found = pq.read_table(out / name).to_pylist()
    by_file = {row["file"]: row for row in found}
    assert len(by_file) == len(found)
    return by_file


def locally(
    model: Path, capsys: pytest.CaptureFixture[str], *words: str | Path
) -> dict[str, dict[str, Any]]:
    """What the local engine answers."""
    main(["predict", "--quiet", "--model", str(model), *map(str, words)])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {record["file"]: record for record in records}


def assert_same(found: dict[str, dict[str, Any]], local: dict[str, dict[str, Any]]) -> None:
    """Every answer is what the local engine gives."""
    answered = {file: record for file, record in local.items() if "decision" in record}
    assert found.keys() == answered.keys()
    for file, record in answered.items():
        row = found[file]
        assert row["decision"] == record["decision"]
        assert row["probability"] == record["probability"]
        assert row["input_distance"] == record["input_check"]["distance"]
        assert row["warnings"] == [warning["code"] for warning in record["warnings"]]


def test_without_a_cluster_it_starts_one_here(tiny_model: Path, many: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
    out = tmp_path / "out"
    words = (many / "10*.jpg", "--uids", "--out", out)
    assert Ray(environment, lambda: None).predict(tiny_model, *words)[0] == 0
    found = rows(out)
    assert len(found) == 10
    assert {"study_instance_uid", "model_sha256"} <= next(iter(found.values())).keys()


def test_it_answers_for_folders_manifests_dicom_and_urls(
    ray: Ray, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, listed = tmp_path / "folder", tmp_path / "listed"
    folder.mkdir()
    listed.mkdir()
    for grey in (70, 110, 170, 255):
        (folder / f"{grey}.jpg").write_bytes(image_bytes(grey=grey))
    (folder / "cut.jpg").write_bytes(image_bytes()[:2000])
    killer = image_bytes()
    (folder / "killer.jpg").write_bytes(killer[:2] + b"\xff\xfe\0\x12" + _KILLER + killer[2:])
    (listed / "chest.dcm").write_bytes(real_file("RG1_UNCR.dcm"))
    (listed / "grey.png").write_bytes(image_bytes(grey=120, kind="PNG"))
    manifest = tmp_path / "archive.parquet"
    names = ["listed/chest.dcm", "listed/grey.png", "listed/lost.png", "listed/grey.png"]
    pq.write_table(pa.table({"path": names}), manifest)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        store = f"http://127.0.0.1:{server.server_port}"
        urls = [f"{store}/110.jpg", f"{store}/lost.jpg", f"file://{folder}/1*.jpg"]
        out = tmp_path / "out"
        code, error = ray.predict(tiny_model, folder, manifest, *urls, "--out", out)
        server.shutdown()
    assert code == 1
    assert "8 answered, 5 not" in error

    found = rows(out)
    local = locally(tiny_model, capsys, folder, *(tmp_path / name for name in sorted(set(names))))
    local.pop(str(folder / "killer.jpg"))
    by_url = {file: found.pop(file) for file in list(found) if "://" in file}
    assert_same(found, local)
    for file, row in by_url.items():
        assert row["probability"] == found[str(folder / Path(file).name)]["probability"]
    assert sorted(Path(file).name for file in by_url) == ["110.jpg", "110.jpg", "170.jpg"]

    refused = {Path(file).name: row for file, row in rows(out, "quarantine").items()}
    assert {name: row["problem"] for name, row in refused.items()} == {
        "255.jpg": "not_a_chest_xray",
        "cut.jpg": "undecodable_image",
        "killer.jpg": "reader_died",
        "lost.jpg": "unreadable_file",
        "lost.png": "unreadable_file",
    }
    assert all("No such file" in refused[name]["detail"] for name in ("lost.jpg", "lost.png"))
    report = json.loads((out / "report.json").read_text())
    assert (report["finished"], report["nodes"], report["answered"]) == (True, 2, 8)
    assert sum(report["problems"].values()) == report["quarantined"] == 5
    assert report["images_a_second"] > 0


def test_a_run_that_was_killed_goes_on(
    ray: Ray,
    tiny_model: Path,
    many: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    with ray.start(tiny_model, many, "--out", out) as process:
        wait_until(lambda: rows(out), "the first answers", seconds=LONG_PATIENCE_SECONDS)
        process.send_signal(signal.SIGKILL)
    begun = rows(out)
    assert 0 < len(begun) < _MANY
    code, error = ray.predict(tiny_model, many, "--out", out)
    assert (code, "--resume" in error) == (2, True)
    code, error = ray.predict(tiny_model, many, "--out", out, "--resume")
    assert code == 0
    assert f"{_MANY - len(begun)} answered" in error
    found = rows(out)
    assert begun.items() <= found.items()
    assert_same(found, locally(tiny_model, capsys, many))


def test_a_lost_node_costs_time_alone(
    ray: Ray,
    tiny_model: Path,
    many: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    with ray.start(tiny_model, many, "--out", out) as process:
        wait_until(lambda: rows(out), "the first answers", seconds=LONG_PATIENCE_SECONDS)
        ray.lose_a_node()
        _, error = process.communicate(timeout=LONG_PATIENCE_SECONDS)
        assert process.returncode == 0, error
    report = json.loads((out / "report.json").read_text())
    assert (report["nodes"], report["scored"]) == (2, _MANY)
    assert_same(rows(out), locally(tiny_model, capsys, many))
