"""Which weights a run keeps."""

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from tests.dataset import write_dataset
from tests.eager import WARNING, eagerly
from training.configuration import Selection
from training.data import Dataset, find_samples, load, split
from training.provenance import describe_run
from training.recipe import Phase, Recipe
from training.train import TENSORBOARD_FOLDER, predict_logits, train

# Keras makes arrays of tensors in a way that numpy 2 warns of
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings(WARNING),
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    folder = tmp_path_factory.mktemp("train") / "data"
    write_dataset(folder, patients=24, images=2)
    return split(load(find_samples(folder), quiet=True), folds=3, fold=0, seed=0)


def _train(
    parts: tuple[Dataset, Dataset],
    folder: Path,
    rate: float,
    average: float,
    epochs: int = 3,
    norms: bool = False,
    **others: Any,
) -> keras.Model:
    phase = Phase(32, 0, epochs, rate, norms)
    recipe = Recipe("cnn", (phase,), average=average, **others)
    selection = Selection((Path("data"),), folds=3)
    with eagerly():
        return train(describe_run(recipe, selection, *parts, "test"), *parts, folder)


def _loss(model: keras.Model, data: Dataset) -> float:
    scores = softmax(predict_logits(model, data.images), axis=1)
    # in single precision nothing is less likely than that
    return float(-(data.targets * np.log(np.clip(scores, 1e-7, 1))).sum(axis=1).mean())


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


@pytest.mark.parametrize(("epochs", "rate"), [(1, 0.03), (3, 0.1)])
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


def _history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_the_best_epoch_is_kept_and_training_stops_early(
    parts: tuple[Dataset, Dataset], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a rate that is far too high, every epoch after the first is worse."""
    kept = _train(parts, tmp_path, 0.3, 0, epochs=9, keep="auroc", patience=2)
    rows = _history(tmp_path)
    best = int(np.argmax([float(row["validation_auroc"]) for row in rows]))
    assert len(rows) == best + 3 < 9
    expected = pytest.approx(float(rows[best]["validation_loss"]), rel=1e-4)
    assert _loss(kept, parts[1]) == expected
    said = capsys.readouterr().out
    assert "stopped early: no better auroc for 2 epochs" in said
    assert "epoch 1 of 9" in said


def test_the_learning_rate_follows_the_named_schedule(
    parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    ends = {}
    for name in ("constant", "linear", "cosine"):
        _train(parts, tmp_path / name, 0.001, 0, epochs=2, batch=16, schedule=name)
        trained = keras.models.load_model(tmp_path / name / "checkpoint.keras")
        assert int(trained.optimizer.iterations) == 2 * -(-len(parts[0]) // 16)
        ends[name] = float(trained.optimizer.learning_rate)
    assert ends["constant"] == pytest.approx(0.001)
    assert ends["linear"] == pytest.approx(1e-6, rel=0.01)
    assert 2e-5 <= ends["cosine"] < 1e-4


def test_tensorboard_reads_what_training_logs(
    parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    _train(parts, tmp_path, 0.003, 0, epochs=2, tensorboard=True)
    logged = EventAccumulator(str(tmp_path / TENSORBOARD_FOLDER / "train")).Reload()
    losses = [
        float(tensor_util.make_ndarray(event.tensor_proto))
        for event in logged.Tensors("epoch_loss")
    ]
    assert losses == pytest.approx([float(row["loss"]) for row in _history(tmp_path)], rel=1e-5)


def test_few_images_and_few_steps_are_enough_to_learn(
    parts: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    """The averaged weights of a short run lag behind; then the others are kept."""
    kept = _train(parts, tmp_path, rate=0.003, average=0.998, epochs=6, norms=True)
    logits = predict_logits(kept, parts[1].images)
    odds = np.logaddexp(logits[:, 1], logits[:, 2]) - logits[:, 0]
    assert roc_auc_score(parts[1].is_pneumonia, odds) > 0.9
