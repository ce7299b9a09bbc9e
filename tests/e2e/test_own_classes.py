"""A user's own classes, from images in folders to answers over HTTP, without a line of code."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from export import parity, quantize
from service.cli import main
from service.inference.model import OnnxModel
from tests.dataset import chest
from tests.process import service_process

# Keras asks NumPy for a copy in a way that it warns of; the commands run outside pytest as well
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FAST = ("--arch", "cnn", "--folds", "2", "--size", "64", "--epochs", "2", "--batch", "16")


@dataclass(frozen=True)
class Set:
    """A data set, and what becomes of its folders.

    Attributes:
        folders: with images of chests, and how bright the cloud in them is; the first has none.
        words: of the command line that trains.
        labels: of the model, those without disease first.
        negatives: how many of them are.
        finding: what the others mean together.
    """

    folders: dict[str, int]
    words: tuple[str, ...]
    labels: tuple[str, ...]
    negatives: int
    finding: str


SETS = {
    "four classes": Set(
        {"Normal": 0, "bacterial": 90, "viral": 45, "fungal": 140},
        (),
        ("normal", "bacterial", "fungal", "viral"),
        1,
        "pneumonia",
    ),
    "covid and tuberculosis": Set(
        {"NORMAL": 0, "COVID": 90, "TB": 45},
        ("--screen",),
        ("normal", "covid", "tb"),
        1,
        "covid or tb",
    ),
    "tuberculosis alone counts": Set(
        {"NORMAL": 0, "COVID": 90, "TB": 45},
        ("--positive", "TB", "--finding", "tuberculosis", "--screen"),
        ("covid", "normal", "tb"),
        2,
        "tuberculosis",
    ),
}


def write(folder: Path, given: Set) -> None:
    """The images of a set."""
    generator = np.random.default_rng(0)
    for part, images in (("Train", 12), ("Test", 8)):
        for name, cloud in given.folders.items():
            (folder / part / name).mkdir(parents=True)
            for number in range(images):
                chest(generator, cloud).save(folder / part / name / f"{part}{number}.png")


@pytest.mark.parametrize("name", SETS)
def test_own_classes_from_images_to_answers(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, data, run, model = SETS[name], tmp_path / "set", tmp_path / "run", tmp_path / "own.onnx"
    write(data, given)
    assert main(["train", str(data), "--out", str(run), *FAST, *given.words]) == 0
    for scored in (run / "model.keras", model):
        if scored == model:
            # so few images, so hastily learnt, are not enough for one to rely on
            assert main(["export", str(run), "--out", str(model), "--force"]) == 0
        assert main(["evaluate", str(scored), str(data), "--out", str(tmp_path / "report")]) == 0
        page = (tmp_path / "report" / "report.md").read_text()
        assert all(f"| {label} | 8 |" in page for label in given.labels)
    capsys.readouterr()
    image = next((data / "Test" / next(iter(given.folders))).iterdir())
    with service_process(model, tmp_path) as service:
        contract = service.get("/model").json()["contract"]
        assert contract["labels"] == list(given.labels)
        assert contract["pneumonia_labels"] == list(given.labels[given.negatives :])
        assert contract["finding"] == given.finding
        files = [("files", (image.name, image.read_bytes(), "image/png"))] * 2
        batch = service.post("/predict/batch", files=files).json()["results"]
        answer = service.post("/predict", files={"file": image.read_bytes()}).json()
        for said in (answer, *(result["prediction"] for result in batch)):
            probabilities = said["probabilities"]
            assert tuple(probabilities) == given.labels
            ours = sum(probabilities[label] for label in given.labels[given.negatives :])
            assert said["probability"] == pytest.approx(ours, abs=1e-6)
            assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
            assert said["subtype"] in (None, *given.labels[given.negatives :])
        described = service.get("/v2/models/own").json()["outputs"]
        shapes = {output["name"]: output["shape"] for output in described}
        assert shapes["probabilities"] == [-1, len(given.labels)]


def test_eight_bits_keep_own_classes_and_are_written_only_where_they_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = SETS["covid and tuberculosis"]
    data, run, out = tmp_path / "set", tmp_path / "run", tmp_path / "int8.onnx"
    write(data, given)
    learn = ("--folds", "2", "--size", "48", "--epochs", "1", "--frozen", "0.9", "--screen")
    assert main(["train", str(data), "--out", str(run), *learn]) == 0
    words = ["export", str(run), "--int8", str(data), "--out", str(out), "--force"]
    monkeypatch.setattr(quantize, "AUROC_TOLERANCE", -1)
    assert main(words) == 1
    assert "The int8 graph is worse than float32 on held-out images" in capsys.readouterr().err
    assert not out.exists()
    # a network that learnt so little is far off; here only what is written counts
    monkeypatch.setattr(quantize, "AUROC_TOLERANCE", 1)
    monkeypatch.setattr(quantize, "SHARE_TOLERANCE", 1)
    monkeypatch.setattr(parity, "INT8_TOLERANCE", 1)
    assert main(words) == 0
    model = OnnxModel(out)
    assert model.has_evidence
    assert model.contract.labels == given.labels
    assert model.contract.metrics["auroc_clean_int8"] > 0
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(out).graph.node}
