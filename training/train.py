"""The training loop: phases, epochs, and which weights are kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from training import checkpoint
from training.architectures import ARCHITECTURES, freeze_blocks, resized
from training.augment import batches
from training.averaging import WeightAverage
from training.checkpoint import Networks
from training.configuration import Phase, Recipe, RunConfiguration
from training.data import Dataset, at_size
from training.distil import with_soft_targets

BATCH = 32
MODEL_FILE = "model.keras"


def train(
    configuration: RunConfiguration,
    training: Dataset,
    validation: Dataset,
    folder: Path,
    resume: bool = False,
) -> keras.Model:
    """Train a network and write its run folder.

    After every epoch a checkpoint is written, from which ``resume`` continues; since order,
    augmentation and dropout follow from seed and epoch, the run ends as if it had not been
    interrupted. Of the last and the averaged weights of a phase, those with the lower validation
    loss are kept.

    Args:
        configuration: the recipe, and the record that the folder gets.
        training: images to learn from, each as often as an epoch shows it.
        validation: images to validate on.
        folder: of the run; it gets configuration, history, curves, checkpoint and model.
        resume: continue from the folder's checkpoint instead of starting a new run.

    Returns:
        The trained network, at the largest size it was trained at.

    Raises:
        DataError: the folder holds another run and ``resume`` is off, or it has none to resume.
    """
    recipe = configuration.recipe
    done = checkpoint.open_folder(folder, configuration, resume)
    keras.utils.set_random_seed(recipe.seed)
    model = _mean(recipe.start) if recipe.start else None
    last = 0
    for phase in recipe.phases:
        first, last = last, last + phase.epochs
        if done < last:
            networks = (
                checkpoint.load(folder) if done > first else _start(recipe, phase, model, training)
            )
            _train_phase(
                networks, recipe, phase, range(max(first, done), last), training, validation, folder
            )
        if done <= last:
            model = checkpoint.load_kept(folder)
    assert model is not None  # a recipe has phases
    model = resized(model, max(phase.size for phase in recipe.phases), recipe.dropout)
    model.save(folder / MODEL_FILE)
    return model


def predict_logits(model: keras.Model, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """Logits float32 ``[N, C]`` of uint8 ``[N, 224, 224, 1]``, resized to the network's input."""
    pixels = at_size(images, model.input_shape[1])
    return np.asarray(model.predict(pixels, batch_size=batch, verbose=0))


def _train_phase(
    networks: Networks,
    recipe: Recipe,
    phase: Phase,
    epochs: range,
    training: Dataset,
    validation: Dataset,
    folder: Path,
) -> None:
    teachers = [
        resized(keras.models.load_model(file, compile=False), phase.size)
        for file in recipe.teachers
    ]
    averaging = [WeightAverage(networks.average, recipe.average)] if networks.average else []
    for epoch in epochs:
        print(f"epoch {epoch + 1}/{epochs.stop}, {phase.size} pixels, {phase.frozen} blocks frozen")
        _seed_dropout(networks.last, recipe.seed, epoch)
        rows = batches(training, phase.size, BATCH, recipe.augmentation, recipe.seed, epoch)
        fitted = networks.last.fit(
            with_soft_targets(rows, teachers) if teachers else rows,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,  # the batches are shuffled already
            callbacks=averaging,
        )
        measured = {name: _validate(one, validation) for name, one in networks.named().items()}
        kept = min(measured, key=lambda name: measured[name]["validation_loss"])
        row: dict[str, Any] = {
            "epoch": epoch + 1,
            "size": phase.size,
            "loss": fitted.history["loss"][0],
            "accuracy": fitted.history["accuracy"][0],
            **measured[kept],
            "kept": kept,
        }
        figures = [f"{name} {value:.4g}" for name, value in row.items() if name != "kept"]
        print(f"  {', '.join(figures)}, kept: {kept} weights")
        checkpoint.save(folder, networks, row)


def _validate(model: keras.Model, validation: Dataset) -> dict[str, float]:
    logits = predict_logits(model, validation.images)
    scores = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    cross_entropy = -(validation.targets * np.log(np.clip(scores, 1e-7, 1))).sum(axis=1)
    probability = validation.labels.probability(scores)
    return {
        "validation_loss": float(cross_entropy.mean()),
        "validation_accuracy": float(((probability >= 0.5) == validation.is_pneumonia).mean()),
        "validation_auroc": float(roc_auc_score(validation.is_pneumonia, probability)),
    }


def _mean(files: Sequence[str]) -> keras.Model:
    """A network with the mean of the networks' weights, moving statistics among them."""
    models = [keras.models.load_model(file, compile=False) for file in files]
    together = zip(*(model.get_weights() for model in models), strict=True)
    models[0].set_weights([np.mean(weights, axis=0) for weights in together])
    return models[0]


def _start(recipe: Recipe, phase: Phase, before: keras.Model | None, training: Dataset) -> Networks:
    """A new network, or the one of the phase before at this phase's size, ready to be trained."""
    if before is None:
        model = ARCHITECTURES[recipe.architecture](phase.size, len(training.labels), recipe.dropout)
    else:
        model = resized(before, phase.size, recipe.dropout)
    _compile(model, recipe, phase, len(training))
    return Networks(model, resized(model, phase.size) if recipe.average else None)


def _compile(model: keras.Model, recipe: Recipe, phase: Phase, images: int) -> None:
    freeze_blocks(model, phase.frozen)
    if not phase.norms:
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    steps = -(-images // BATCH) * phase.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        phase.rate / 20, steps, alpha=0.02, warmup_target=phase.rate, warmup_steps=steps // 10
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=recipe.weight_decay, global_clipnorm=1.0
    )
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.label_smoothing
    )
    model.compile(optimizer, loss, weighted_metrics=["accuracy"])


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    for number, layer in enumerate(dropouts):
        layer.seed_generator.state.assign([seed * 1000 + number, epoch])
