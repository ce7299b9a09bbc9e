"""Which weights a run keeps."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.dataset import write_dataset
from training.configuration import Phase, Recipe, Selection
from training.data import Dataset, find_samples, load, split
from training.provenance import describe_run
from training.train import predict_logits, train

# Keras makes arrays of tensors in a way that numpy 2 warns of
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    folder = tmp_path_factory.mktemp("train") / "data"
    write_dataset(folder, patients=24, images=2)
    return split(load(find_samples(folder), quiet=True), folds=3, fold=0, seed=0)


def _train(
    parts: tuple[Dataset, Dataset], folder: Path, rate: float, average: float, epochs: int = 3
) -> keras.Model:
    recipe = Recipe("cnn", (Phase(32, 0, epochs, rate),), average=average)
    selection = Selection((Path("data"),), folds=3)
    return train(describe_run(recipe, selection, *parts, "test"), *parts, folder)


def _loss(model: keras.Model, data: Dataset) -> float:
    logits = predict_logits(model, data.images)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return float(loss(data.targets, logits))


def _kernel(model: keras.Model) -> np.ndarray:
    kernel: np.ndarray = model.get_layer("conv3").get_weights()[0]
    return kernel


def test_the_average_of_a_short_run_is_not_dominated_by_its_start(
    parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    start = _kernel(_train(parts, tmp_path / "start", rate=1e-12, average=0, epochs=1))
    last = _kernel(_train(parts, tmp_path / "last", rate=0.003, average=0))
    _train(parts, tmp_path / "averaged", rate=0.003, average=0.998)
    average = _kernel(keras.models.load_model(tmp_path / "averaged" / "average.keras"))
    assert np.linalg.norm(average - last) < 0.7 * np.linalg.norm(average - start)


@pytest.mark.parametrize(("epochs", "rate"), [(1, 0.003), (3, 0.1)])
def test_the_weights_that_validate_better_are_kept(
    parts: tuple[Dataset, Dataset], tmp_path: Path, epochs: int, rate: float
) -> None:
    validation = parts[1]
    kept = _train(parts, tmp_path, rate=rate, average=0.9, epochs=epochs)
    networks = {
        name: keras.models.load_model(tmp_path / file, compile=False)
        for name, file in (("last", "checkpoint.keras"), ("average", "average.keras"))
    }
    losses = {name: _loss(network, validation) for name, network in networks.items()}
    assert losses["last"] != pytest.approx(losses["average"], rel=1e-3)
    better = min(losses, key=lambda name: losses[name])
    assert _loss(kept, validation) == pytest.approx(losses[better], rel=1e-4)
    with (tmp_path / "history.csv").open() as stream:
        row = list(csv.DictReader(stream))[-1]
    assert row["kept"] == better
    assert float(row["validation_loss"]) == pytest.approx(losses[better], rel=1e-4)
