"""The benchmarks do their work, on tiny loads; nothing here depends on how long it takes."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.load import Payload, raw, wrk
from benchmarks.open_loop import arrive
from benchmarks.options import images_of, synthetic_images
from benchmarks.tuning import VARIANTS
from tests import needs
from tests.images import image_bytes
from tests.process import service_process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two images."""
    (tmp_path / "images").mkdir()
    for grey in (100, 160):
        (tmp_path / "images" / f"{grey}.jpeg").write_bytes(image_bytes(grey))
    return tmp_path / "images"


def run(tmp_path: Path, name: str, *words: object) -> dict[str, Any]:
    """The report of a benchmark that found no fault."""
    assert main([name, *map(str, words), "--out", str(tmp_path)]) == 0
    found: dict[str, Any] = json.loads((tmp_path / f"{name}.json").read_text())
    return found


def test_both_clients_count_every_answer(tiny_model: Path, tmp_path: Path) -> None:
    needs.program("wrk")
    with service_process(tiny_model, tmp_path) as service:
        load = wrk(service.port, "/predict", raw([image_bytes(), image_bytes(grey=60)]), 2, 1)
        assert load.check().predicted == sum(load.statuses.values()) > 0
        refused = wrk(service.port, "/predict", Payload("image/jpeg", [b"text"]), 1, 1)
        assert set(refused.statuses) == {"415"}
        with pytest.raises(RuntimeError, match="not every request was answered"):
            refused.check()
        arrivals = arrive(service.port, "/predict", raw([image_bytes()]), 20, 1)
        assert arrivals.failures == 0
        assert set(arrivals.latencies) == {200}


def test_speed(tiny_model: Path, folder: Path, tmp_path: Path) -> None:
    needs.program("wrk")
    words = ("--count", 1, "--seconds", 1, "--model", tiny_model)
    found = run(tmp_path, "speed", folder, *words)
    assert found["rounds"][0]["raw_rate"] > 0


def test_memory_without_dicom_files_and_with_them(tiny_model: Path, tmp_path: Path) -> None:
    found = run(tmp_path, "memory", "--synthetic", "--count", 100, "--model", tiny_model)
    assert found["predictions"] + found["refused"] == 100
    assert found["refused"] > 0  # some of them are broken
    dicom = found["with_dicom"]
    assert dicom["predictions"] + dicom["refused"] == 10
    assert dicom["processes"] >= 1
    assert dicom["peak_megabytes"] >= dicom["after_megabytes"] > found["ready_megabytes"] / 2


def test_a_short_soak_finds_no_fault(tiny_model: Path, tmp_path: Path) -> None:
    found = run(tmp_path, "soak", "--synthetic", "--seconds", 10, "--model", tiny_model)
    assert {"slow", "left", "JPEG"} <= set(found["outcomes"])


def test_tuning_and_drift(tiny_model: Path, folder: Path, tmp_path: Path) -> None:
    words = ("--synthetic", "--count", 1, "--seconds", 0.05, "--model", tiny_model)
    assert set(run(tmp_path, "tuning", *words)["ratios"]) == set(VARIANTS)
    margins = run(tmp_path, "drift", folder, "--model", tiny_model)["margins"]
    assert all(found["decisions_changed"] == 0 for found in margins.values())


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--synthetic"):
        images_of(tmp_path)
    assert len(synthetic_images(2)) == 2
