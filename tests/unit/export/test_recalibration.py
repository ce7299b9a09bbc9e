"""`pneumonia calibrate`, on a model file of an untrained network."""

import re
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import ImageDraw

from export.contract import recalibrated
from export.pack import write
from export.scaling import Scaling
from export.to_onnx import build_graph
from service.cli import main
from service.inference.contract import Contract, InputSpec
from service.inference.model import OnnxModel
from tests.dataset import chest, write_dataset
from tests.unit.export.test_calibration import make_pool
from training.architectures import ARCHITECTURES
from training.labels import CHILDREN


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(0)
    graph = build_graph(ARCHITECTURES["cnn"](32, 3, 0.0), Scaling())
    draft = Contract.model_construct(
        name="untrained",
        version="1.0.0",
        labels=CHILDREN.names,
        pneumonia_labels=CHILDREN.positive,
        input=InputSpec(height=32, width=32),
        population="synthetic images",
        training_data="none",
    )
    file = tmp_path_factory.mktemp("recalibration") / "model.onnx"
    write(graph, recalibrated(draft, graph, make_pool(images=300), Scaling(), 300, "here"), file)
    return file


def test_a_recalibrated_file_has_a_new_scaling_and_the_contract_of_it(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "ours", patients=30, images=1, part=None)
    out = tmp_path / "ours.onnx"
    command = ["calibrate", str(model), str(tmp_path / "ours")]
    assert main(command) == 0
    proposal = capsys.readouterr().out
    assert not out.exists()
    assert main([*command, "--out", str(out), "--site", "St Mary, Leeds"]) == 0
    told = capsys.readouterr().out
    assert "balanced: threshold" in told
    assert proposal.splitlines()[1:] == told.splitlines()[1 : len(proposal.splitlines())]
    before, after = OnnxModel(model).contract, OnnxModel(out).contract
    assert after.version == "1.0.0+calibrated"
    assert after.calibration.startswith("90 labelled images of 90 patients of St Mary, Leeds")
    assert after.site == "St Mary, Leeds"
    number = r"(\d\.\d{4}) \((\d\.\d{4}) to (\d\.\d{4})\)"
    for point in after.operating_points:
        kept = before.operating_point(point.name)
        now = re.search(f"{point.name}, now: sensitivity {number}, specificity {number}", told)
        line = f"{point.name}, proposed: threshold {number}, sensitivity {number}"
        proposed = re.search(line, told)
        assert now
        assert proposed
        value, low, high = map(float, proposed.groups()[:3])
        assert value == pytest.approx(point.threshold, abs=1e-4)
        assert 0 <= low <= value <= high <= 1
        assert float(proposed[4]) == pytest.approx(point.sensitivity.value, abs=1e-4)
        assert kept.threshold != point.threshold
    assert after.created > datetime(2020, 1, 1, tzinfo=UTC)
    assert (after.temperature, after.offset) != (before.temperature, before.offset)
    assert sum(after.reference_histograms["probability"].counts) == 90
    assert after.golden != before.golden
    assert after.population == before.population
    assert after.calibration_prevalence == pytest.approx(2 / 3)
    # these images tell no subtype, so the rule and its figures stay
    assert before.subtype_rule.correct is not None
    assert after.subtype_rule == before.subtype_rule


def test_too_few_images_are_not_enough(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "few", patients=10, images=1, part=None)
    out = tmp_path / "few.onnx"
    assert main(["calibrate", str(model), str(tmp_path / "few"), "--out", str(out)]) == 1
    assert "calibrating needs at least 30 of each" in capsys.readouterr().err
    assert not out.exists()


def test_images_on_which_the_device_misleads_count_more_often(model: Path, tmp_path: Path) -> None:
    """One device for the healthy, one for the ill, but for four of each of forty."""
    generator = np.random.default_rng(0)
    for label, ill in (("NORMAL", False), ("PNEUMONIA", True)):
        (tmp_path / "ours" / label).mkdir(parents=True)
        for number in range(40):
            image = chest(generator, 45)
            grey = 230 if ill != (number < 4) else 20
            ImageDraw.Draw(image).rectangle((0, 0, *image.size), outline=grey, width=12)
            image.save(tmp_path / "ours" / label / f"person{number}_{label}.png")
    out = tmp_path / "ours.onnx"
    assert main(["calibrate", str(model), str(tmp_path / "ours"), "--out", str(out)]) == 0
    contract = OnnxModel(out).contract
    assert contract.calibration.startswith("80 labelled images of 80 patients")
    # four are a fifth of a class of 36 others when each counts twice, by rounding
    assert sum(contract.reference_histograms["probability"].counts) == 2 * (36 + 4 * 2)
