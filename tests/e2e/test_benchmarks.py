"""The benchmarks do their work, on tiny loads; nothing here depends on how long it takes."""

import json
from pathlib import Path

import pytest

from benchmarks import drift, memory, soak, speed, tuning
from benchmarks.load import Payload, images_of, made_images, raw, wrk
from benchmarks.open_loop import arrive
from benchmarks.profile import shares
from tests import needs
from tests.pictures import picture
from tests.process import service_process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two images."""
    (tmp_path / "images").mkdir()
    for grey in (100, 160):
        (tmp_path / "images" / f"{grey}.jpeg").write_bytes(picture(grey))
    return tmp_path / "images"


def report(tmp_path: Path, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((tmp_path / f"{name}.json").read_text())
    return found


def run(main: object, monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr("sys.argv", ["benchmark", *map(str, words)])
    assert callable(main)
    assert main() == 0


def test_both_clients_count_every_answer(tiny_model: Path, tmp_path: Path) -> None:
    needs.program("wrk")
    with service_process(tiny_model, tmp_path) as service:
        load = wrk(service.port, "/predict", raw([picture(), picture(grey=60)]), 2, 1)
        assert load.check().judged == sum(load.statuses.values()) > 0
        refused = wrk(service.port, "/predict", Payload("image/jpeg", [b"text"]), 1, 1)
        assert set(refused.statuses) == {"415"}
        with pytest.raises(RuntimeError, match="not every request was judged"):
            refused.check()
        arrivals = arrive(service.port, "/predict", raw([picture()]), 20, 1)
        assert arrivals.failures == 0
        assert set(arrivals.latencies) == {200}


def test_speed(
    tiny_model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.program("wrk")
    words = (folder, "--rounds", 1, "--seconds", 2, "--model", tiny_model, "--out", tmp_path)
    run(speed.main, monkeypatch, *words)
    found = report(tmp_path, "speed")
    assert isinstance(found["rounds"], list)
    assert found["rounds"][0]["raw_rate"] > 0
    assert (tmp_path / "flames.svg").read_text().startswith("<?xml")


def test_memory_by_mixed_requests(
    tiny_model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (folder, "--requests", 40, "--model", tiny_model, "--out", tmp_path)
    run(memory.main, monkeypatch, *words)
    found = report(tmp_path, "memory")
    predictions, refused = found["predictions"], found["refused"]
    assert isinstance(predictions, int)
    assert isinstance(refused, int)
    assert predictions + refused == 40
    assert refused > 0  # some of them are broken


def test_a_short_soak_finds_no_fault(tiny_model: Path, tmp_path: Path) -> None:
    words = ["--made", "--seconds", "10", "--model", str(tiny_model)]
    assert soak.main([*words, "--out", str(tmp_path), "--plots", str(tmp_path)]) == 0
    found = report(tmp_path, "soak")
    assert isinstance(found["outcomes"], dict)
    assert {"slow", "left", "truncated JPEG"} <= set(found["outcomes"])
    assert (tmp_path / "soak.svg").read_text().startswith("<?xml")


def test_tuning_and_drift(
    tiny_model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--rounds", 1, "--seconds", 0.05, "--model", tiny_model, "--out", tmp_path)
    run(tuning.main, monkeypatch, *words)
    ratios = report(tmp_path, "tuning")["ratios"]
    assert isinstance(ratios, dict)
    assert set(ratios) == set(tuning.VARIANTS)
    run(drift.main, monkeypatch, folder, "--model", tiny_model, "--out", tmp_path)
    margins = report(tmp_path, "drift")["margins"]
    assert isinstance(margins, dict)
    assert all(found["decisions_changed"] == 0 for found in margins.values())


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--made"):
        images_of(tmp_path)
    assert len(made_images(2)) == 2


def test_samples_belong_to_their_innermost_owner() -> None:
    stacks = (
        "run (asyncio/runners.py:1);app (fastapi/x.py:2);labels (prometheus_client/x.py:3) 3\n"
        "work (concurrent/futures/thread.py:1);run (onnxruntime/capi/x.py:9) 1\n"
    )
    assert shares(stacks) == {"metrics and log": 0.75, "model": 0.25}
