"""What is counted for drift: warnings, devices, and the site's baseline."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.cli import main
from service.errors import StartError
from service.http.app import create_app
from service.runtime.baseline import Baseline
from service.runtime.drift_metrics import WARNINGS
from service.settings import Settings
from tests.client import AppClient
from tests.conftest import ServiceFactory
from tests.dicom import file_bytes, radiograph, shadows
from tests.images import image_bytes

ROOT = Path(__file__).parent.parent.parent.parent


def value(client: AppClient, name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    raise AssertionError(f"no {name} {labels}")


def dicom(**tags: Any) -> bytes:
    return file_bytes(radiograph(shadows(160, 128), **tags))


def test_only_listed_devices_have_a_label(start_service: ServiceFactory) -> None:
    client = start_service(devices="Siemens Healthineers/Ysio Max, AGFA")
    files = [
        dicom(Manufacturer="SIEMENS HEALTHINEERS", ManufacturerModelName="YSIO-MAX"),
        dicom(Manufacturer="Siemens Healthineers", ManufacturerModelName="Another"),
        dicom(Manufacturer="Agfa", ManufacturerModelName="DX-D 100"),
        dicom(Manufacturer="Agfa", ManufacturerModelName="DX-D 300", ViewPosition="LL"),
        dicom(Manufacturer="patient's name"),
        dicom(),
        image_bytes(grey=170),
    ]
    for file in files:
        client.post("/predict", content=file)
    client.post("/predict/batch", files=[("files", file) for file in files[2:4]])

    def images(device: str) -> dict[str, float]:
        return {
            outcome: value(client, "pneumonia_device_images_total", device=device, outcome=outcome)
            for outcome in ("pneumonia", "normal", "uncertain", "refused")
        }

    assert sum(images("Siemens Healthineers/Ysio Max").values()) == 1
    assert images("AGFA")["refused"] == 2
    assert sum(images("AGFA").values()) == 4
    assert sum(images("other").values()) == 3
    assert value(client, "pneumonia_device_probability_count", device="AGFA") == 2
    assert value(client, "pneumonia_device_percentile_window_total", device="AGFA") == 2
    assert value(client, "pneumonia_warnings_total", code="percentile_window") >= 4
    assert "patient's name" not in client.get("/metrics").text.lower()


def test_every_warning_has_a_series_from_the_first_scrape(client: AppClient) -> None:
    for code in WARNINGS:
        assert value(client, "pneumonia_warnings_total", code=code) >= 0
    documented = (ROOT / "docs" / "operations.md").read_text()
    assert [code for code in WARNINGS if f"`{code}`" not in documented] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two hundred images of the site, one of them no chest X-ray."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(199):
        grey = 70 + number // 2
        (folder / f"{number}.png").write_bytes(image_bytes(grey=grey, kind="PNG"))
    (folder / "white.png").write_bytes(image_bytes(grey=255, kind="PNG"))
    (folder / "notes.txt").write_text("no image")
    return folder


def freeze(model: Path, folder: Path, out: Path) -> int:
    return main(["baseline", "--folder", str(folder), "--model", str(model), "--out", str(out)])


def test_a_folder_is_frozen_and_shown(
    start_service: ServiceFactory,
    tiny_model: Path,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "baseline.json"
    assert freeze(tiny_model, folder, out) == 0
    assert "refused: 0.5%" in capsys.readouterr().out
    client = start_service(baseline=out)
    assert value(client, "pneumonia_baseline_images", quantity="probability") == 199
    assert value(client, "pneumonia_baseline_images", quantity="distance") == 200
    share = value(client, "pneumonia_baseline_share", quantity="refused", le="0")
    assert share == pytest.approx(199 / 200)
    half = value(client, "pneumonia_baseline_share", quantity="probability", le="0.5")
    assert 0.3 < half < 0.7
    # the edges are the live histogram's, so that they can be subtracted
    edges = {
        sample.labels["le"]
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == "pneumonia_probability_bucket"
    }
    assert set(Baseline.read(out).counts["probability"]) == edges


def test_the_baseline_is_compared_once_with_the_models_reference(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from service.inference.contract import Histogram
    from tests.tiny_model import write_tiny_model

    model = tmp_path / "with_reference.onnx"
    sick = Histogram(edges=(0.0, 0.25, 0.5, 0.75, 1.0), counts=(10, 10, 10, 970))
    write_tiny_model(model, reference_histograms={"probability": sick})
    out = tmp_path / "baseline.json"
    assert freeze(model, folder, out) == 0
    difference = json.loads(out.read_text())["from_reference"]["probability"]
    assert difference > 0.3
    assert f"probability: {difference:.2f} from the model's reference: other patients" in (
        capsys.readouterr().out
    )


def test_too_few_images_are_no_baseline(
    tiny_model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "1.png").unlink()
    assert freeze(tiny_model, folder, tmp_path / "baseline.json") == 1
    assert "199 images are too few" in capsys.readouterr().err
    assert not (tmp_path / "baseline.json").exists()


def test_a_baseline_of_another_model_is_told_and_not_shown(
    start_service: ServiceFactory,
    tiny_model: Path,
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from tests.tiny_model import write_tiny_model

    out = tmp_path / "baseline.json"
    assert freeze(tiny_model, folder, out) == 0
    write_tiny_model(tmp_path / "other.onnx", version="2.0")
    with caplog.at_level(logging.WARNING):
        client = start_service(model=tmp_path / "other.onnx", baseline=out)
    assert any("another model" in record.getMessage() for record in caplog.records)
    assert "pneumonia_baseline_share{" not in client.get("/metrics").text


@pytest.mark.parametrize("content", [None, "", "{}", '{"counts": {"probability": {"1.0": 5}}}'])
def test_a_baseline_that_is_none_stops_the_start(
    tiny_model: Path, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "baseline.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StartError, match="pneumonia baseline"):
        create_app(Settings(model=tiny_model, baseline=path))


def test_prometheus_that_does_not_answer_is_one_line(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", str(tiny_model), "--out", str(tmp_path / "baseline.json")]
    for url in ("http://127.0.0.1:9", "localhost:9090", "file:///etc/passwd"):
        assert main(["baseline", "--prometheus", url, *words]) == 1
        error = capsys.readouterr().err
        assert error.startswith("pneumonia baseline: ")
        assert error.count("\n") == 1
