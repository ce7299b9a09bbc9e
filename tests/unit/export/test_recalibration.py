"""`pneumonia calibrate`, on a model file of an untrained network."""

from datetime import UTC, datetime
from pathlib import Path

import keras
import pytest

from export.contract import recalibrated
from export.pack import write
from export.scaling import Scaling
from export.to_onnx import build_graph
from service.cli import main
from service.inference.contract import Contract, InputSpec
from service.inference.model import OnnxModel
from tests.dataset import write_dataset
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
    write(graph, recalibrated(draft, graph, make_pool(images=300), Scaling(), 300), file)
    return file


def test_a_recalibrated_file_has_a_new_scaling_and_the_contract_of_it(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "ours", patients=30, images=1, part=None)
    out = tmp_path / "ours.onnx"
    assert main(["calibrate", str(model), str(tmp_path / "ours"), "--out", str(out)]) == 0
    assert "balanced: threshold" in capsys.readouterr().out
    before, after = OnnxModel(model).contract, OnnxModel(out).contract
    assert after.version == "1.0.0+calibrated"
    assert after.calibration.startswith("90 labelled images of 90 patients")
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
