"""The training loop: phases, epochs, and which weights are kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training import checkpoint
from training.architectures import ARCHITECTURES, freeze, resized
from training.augment import batches
from training.averaging import WeightAverage
from training.checkpoint import Networks, State
from training.configuration import MODEL_FILE, RunConfiguration
from training.data import DataError, Dataset, model_inputs
from training.distil import with_soft_targets
from training.metrics import auroc
from training.progress import EpochBar
from training.recipe import Phase, Recipe, Schedule

TENSORBOARD_FOLDER = "tensorboard"


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
    interrupted. After each epoch the better of the last and the averaged weights counts, by the
    measure of the recipe; a phase hands on those of its last epoch, or of its best one.

    Args:
        configuration: the recipe, and the record that the folder gets.
        training: images to learn from, each as often as an epoch shows it.
        validation: images to validate on.
        folder: of the run; it gets configuration, history, curves, checkpoint and model.
        resume: continue from the folder's checkpoint instead of starting a new run.

    Returns:
        The trained network, at the largest size it was trained at.

    Raises:
        DataError: the folder holds another run and ``resume`` is off, or it has none to resume; or
            there are teachers, and Keras's backend is not TensorFlow.
    """
    recipe = configuration.recipe
    if recipe.teachers and keras.backend.backend() != "tensorflow":
        raise DataError("--teachers needs Keras's TensorFlow backend; leave KERAS_BACKEND unset.")
    state = checkpoint.open_folder(folder, configuration, resume)
    keras.utils.set_random_seed(recipe.seed)
    model = _mean(recipe.start) if recipe.start else None
    for number, phase in enumerate(recipe.phases):
        if number < state.phase:
            continue
        if number > state.phase:
            state = state.next_phase()
        if state.epochs_of_phase:
            networks = checkpoint.load(folder)
        else:
            if state.epochs:
                model = checkpoint.load_kept(folder, recipe)
            networks = _start(recipe, phase, model, training)
        state = _train_phase(networks, recipe, phase, state, training, validation, folder)
    model = checkpoint.load_kept(folder, recipe)
    model = resized(model, max(phase.size for phase in recipe.phases), recipe.dropout)
    model.save(folder / MODEL_FILE)
    return model


def predict_logits(model: keras.Model, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """Logits float32 ``[N, C]`` of uint8 ``[N, 224, 224, 1]``, resized to the network's input."""
    pixels = model_inputs(images, model.input_shape[1])
    return np.asarray(model.predict(pixels, batch_size=batch, verbose=0))


def _train_phase(
    networks: Networks,
    recipe: Recipe,
    phase: Phase,
    state: State,
    training: Dataset,
    validation: Dataset,
    folder: Path,
) -> State:
    teachers = [
        resized(keras.models.load_model(file, compile=False), phase.size)
        for file in recipe.teachers
    ]
    callbacks: list[keras.callbacks.Callback] = [EpochBar()]
    if networks.average:
        callbacks.append(WeightAverage(networks.average, recipe.average))
    if recipe.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(folder / TENSORBOARD_FOLDER))
    measure = recipe.keep or "loss"
    while state.epochs_of_phase < phase.epochs and not _has_waited(recipe, state):
        epoch = state.epochs
        print(
            f"epoch {epoch + 1} of {sum(one.epochs for one in recipe.phases)}, "
            f"{phase.size} pixels, {phase.freezing}",
            flush=True,
        )
        _seed_dropout(networks.last, recipe.seed, epoch)
        rows = batches(
            training,
            phase.size,
            recipe.batch,
            recipe.augmentation,
            recipe.seed,
            epoch,
            recipe.balance,
        )
        fitted = networks.last.fit(
            with_soft_targets(rows, teachers) if teachers else rows,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,  # the batches are shuffled already
            callbacks=callbacks,
            verbose=0,  # Keras would count the epochs of this call
        )
        measured = {name: _validate(one, validation) for name, one in networks.named().items()}
        gains = {name: _gain(one, measure) for name, one in measured.items()}
        kept = max(gains, key=lambda name: gains[name])
        row: dict[str, Any] = {
            "epoch": epoch + 1,
            "size": phase.size,
            "loss": fitted.history["loss"][0],
            "accuracy": fitted.history["accuracy"][0],
            **measured[kept],
            "kept": kept,
        }
        state = state.after_epoch(kept, gains[kept])
        figures = [f"{name} {value:.4g}" for name, value in row.items() if name != "kept"]
        best = ", the best so far" if recipe.keep and not state.waited else ""
        print(f"  {', '.join(figures[2:])}, kept: {kept} weights{best}", flush=True)
        checkpoint.save(folder, networks, row, state, recipe)
    if state.epochs_of_phase < phase.epochs:
        print(f"stopped early: no better {measure} for {recipe.patience} epochs")
    return state


def _has_waited(recipe: Recipe, state: State) -> bool:
    return recipe.patience is not None and state.waited >= recipe.patience


def _validate(model: keras.Model, validation: Dataset) -> dict[str, float]:
    logits = predict_logits(model, validation.images)
    scores = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    cross_entropy = -(validation.targets * np.log(np.clip(scores, 1e-7, 1))).sum(axis=1)
    probability = validation.labels.probability(scores)
    return {
        "validation_loss": float(cross_entropy.mean()),
        "validation_accuracy": float(((probability >= 0.5) == validation.is_pneumonia).mean()),
        "validation_auroc": auroc(validation.is_pneumonia, probability),
    }


def _gain(measured: dict[str, float], measure: str) -> float:
    value = measured[f"validation_{measure}"]
    return -value if measure == "loss" else value


def _mean(files: Sequence[str]) -> keras.Model:
    """A network with the mean of the networks' weights, moving statistics among them."""
    models = [keras.models.load_model(file, compile=False) for file in files]
    together = zip(*(model.get_weights() for model in models), strict=True)
    models[0].set_weights([np.mean(weights, axis=0) for weights in together])
    return models[0]


def _start(recipe: Recipe, phase: Phase, before: keras.Model | None, training: Dataset) -> Networks:
    """A new network, or the one of the phase before at this phase's size, ready to be trained."""
    if before is None:
        model = ARCHITECTURES[recipe.architecture](
            phase.size, len(training.labels), recipe.dropout, recipe.start_weights
        )
    else:
        model = resized(before, phase.size, recipe.dropout)
    _compile(model, recipe, phase, len(training))
    return Networks(model, resized(model, phase.size) if recipe.average else None)


def _compile(model: keras.Model, recipe: Recipe, phase: Phase, images: int) -> None:
    freeze(model, phase.frozen)
    if not phase.norms:
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    steps = -(-images // recipe.batch) * phase.epochs
    optimizer = keras.optimizers.AdamW(
        _schedule(recipe.schedule, phase.rate, steps),
        weight_decay=recipe.weight_decay,
        global_clipnorm=1.0,
    )
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.label_smoothing
    )
    model.compile(optimizer, loss, weighted_metrics=["accuracy"])


def _schedule(
    name: Schedule, rate: float, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """From a twentieth of the rate up to it in the first tenth of the steps, then by name."""
    schedules = keras.optimizers.schedules
    warmup = steps // 10
    if name == "cosine":
        return schedules.CosineDecay(
            rate / 20, steps, alpha=0.02, warmup_target=rate, warmup_steps=warmup
        )
    if name == "linear":
        return _Warmed(rate, warmup, steps - warmup, rate * 0.001)
    return _Warmed(rate, warmup, 1, rate)


@keras.saving.register_keras_serializable("pneumonia")
class _Warmed(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A rise to a rate, then a line to another one."""

    def __init__(self, rate: float, warmup: int, steps: int, end: float) -> None:
        self._settings = {"rate": rate, "warmup": warmup, "steps": steps, "end": end}

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        rate, warmup, steps, end = self._settings.values()
        done = keras.ops.cast(step, "float32")
        rising = rate * (0.05 + 0.95 * done / max(1, warmup))
        falling = rate + (end - rate) * keras.ops.clip((done - warmup) / steps, 0.0, 1.0)
        return keras.ops.where(done < warmup, rising, falling)

    def get_config(self) -> dict[str, float]:
        return dict(self._settings)


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    for number, layer in enumerate(dropouts):
        layer.seed_generator.state.assign([seed * 1000 + number, epoch])
