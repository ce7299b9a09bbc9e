"""Every architecture from a step of training to an answer over HTTP.

Parity is checked by the export itself. The network that ships goes this way in ``test_chain.py``.
"""

from pathlib import Path
from typing import get_args

import numpy as np
import onnxruntime as ort
import pytest

from service.cli import main
from tests.conftest import ServiceFactory
from tests.dataset import write_dataset
from tests.eager import WARNING, eagerly
from tests.images import image_bytes
from training.configuration import Selection
from training.pipeline import load_selection, train_run
from training.recipe import Architecture, Augmentation, Phase, Recipe

# Keras makes arrays of tensors in a way that numpy 2 warns of
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings(WARNING),
]


@pytest.mark.parametrize("name", ["cnn", "resnet50", "densenet121", "efficientnet_v2_b0"])
def test_an_architecture_is_trained_exported_and_served(
    name: Architecture, tmp_path: Path, start_service: ServiceFactory
) -> None:
    data, run, model = tmp_path / "data", tmp_path / "run", tmp_path / f"{name}.onnx"
    write_dataset(data, patients=4, images=1)
    recipe = Recipe(
        name,
        (Phase(64, 0, 1, 1e-4),),
        augmentation=Augmentation(area=(0.8, 1.0)),
        average=0,
        weights="random",
    )
    selection = Selection((data,), folds=2)
    with eagerly():
        train_run(recipe, selection, load_selection(selection, 0), run, None)
    assert main(["export", str(run), "--out", str(model), "--force"]) == 0
    session = ort.InferenceSession(model)
    outputs = [output.name for output in session.get_outputs()]
    assert outputs == ["probabilities", "evidence", "distance"]
    service = start_service(model=model, input_check="flag")
    contract = service.get("/model").json()["contract"]
    assert contract["input"]["height"] == 64
    assert 0 <= contract["parity"]["largest_difference"] <= contract["parity"]["tolerance"]
    files = {"file": image_bytes(grey=130)}
    answer = service.post("/predict", files=files).json()
    assert np.isclose(sum(answer["probabilities"].values()), 1, atol=1e-5)
    assert answer["input_check"]["distance"] > 0
    overlay = service.post("/explain", files=files)
    assert overlay.headers["content-type"] == "image/png"


def test_the_list_compares_all_architectures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list", "--size", "32"]) == 0
    head, columns, *rows = capsys.readouterr().out.splitlines()
    assert "at 32 x 32 pixels" in head
    assert columns.split() == ["architecture", "parameters", "GFLOPs", "ms", "an", "image"]
    figures = {name: rest for name, *rest in map(str.split, rows)}
    assert tuple(figures) == get_args(Architecture)
    # three classes instead of a thousand
    assert figures["resnet50"][0] == "23,593,859"
    assert all(float(value) > 0 for row in figures.values() for value in row[2:])
