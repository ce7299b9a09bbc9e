"""The training run: phases, epochs, checkpoints, and a folder that says how it came about."""

import csv
import hashlib
import json
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import keras
import matplotlib as mpl
import numpy as np
from sklearn.metrics import roc_auc_score

from training.architectures import ARCHITECTURES, freeze_blocks, resized
from training.augment import Augmentation, batches
from training.data import LABELS, SIZE, DataError, Dataset, at_size
from training.distil import taught

BATCH = 32
MODEL_FILE = "model.keras"
CONFIGURATION_FILE = "configuration.json"
HISTORY_FILE = "history.csv"
_CHECKPOINT = "checkpoint.keras"
_STATE = "state.json"


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one image size and one set of frozen layers.

    Attributes:
        size: rows and columns of the augmented images.
        frozen: inverted bottlenecks from the start that keep their weights, with the stem; 0
            trains everything.
        epochs: passes over the training images.
        rate: peak learning rate; it rises over the first tenth and falls along a cosine.
        norms: whether batch normalisations learn too; else they keep scale and statistics, which
            on a processor nearly halves the time of a step.
    """

    size: int
    frozen: int
    epochs: int
    rate: float
    norms: bool = False

    @classmethod
    def parse(cls, text: str) -> "Phase":
        """Read ``SIZE:FROZEN:EPOCHS:RATE`` or ``SIZE:FROZEN:EPOCHS:RATE:norms``.

        Raises:
            ValueError: it is not of that form, or a number is out of range.
        """
        size, frozen, epochs, rate, *norms = text.split(":")
        if norms not in ([], ["norms"]):
            raise ValueError(text)
        phase = cls(int(size), int(frozen), int(epochs), float(rate), bool(norms))
        if not (32 <= phase.size <= 1024 and phase.epochs > 0 and 0 < phase.rate < 1):
            raise ValueError(text)
        return phase


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained, besides the images.

    Attributes:
        architecture: a key of ``ARCHITECTURES``.
        phases: in order.
        seed: of the initial weights, the order and the augmentation.
        augmentation: ranges to draw from.
        dropout: before the last layer.
        label_smoothing: how much of each target is spread over all labels.
        weight_decay: of AdamW.
        average: momentum of the running average of the weights, which is what is kept; 0 keeps the
            last weights.
        start: files of networks whose mean weights the first phase starts from (model soups,
            Wortsman et al. 2022, arXiv:2203.05482); none for those of the architecture. Several
            must come from one start of their own, or their mean is no network.
        teachers: files of networks whose mean answer to each augmented image takes the place of its
            label; none to learn the labels.
    """

    architecture: str = "efficientnet_lite0"
    phases: tuple[Phase, ...] = (Phase(160, 3, 8, 5e-4, norms=True),)
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    dropout: float = 0.2
    label_smoothing: float = 0.05
    weight_decay: float = 1e-4
    average: float = 0.998
    start: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()


def train(
    recipe: Recipe,
    training: Dataset,
    validation: Dataset,
    folder: Path,
    data_notes: dict[str, object],
    resume: bool = False,
) -> keras.Model:
    """Train a network and leave everything about it in a run folder.

    After every epoch a checkpoint is written, from which ``resume`` goes on; since order,
    augmentation and dropout follow from seed and epoch, it goes on as if it had not been
    interrupted.

    Args:
        recipe: how.
        training: images to learn from, each as often as it is in there.
        validation: images to watch.
        folder: of the run; it gets configuration, history, curves, checkpoint and model.
        data_notes: what the configuration should say of the images.
        resume: go on from the folder's checkpoint instead of starting anew.

    Returns:
        The trained network, at the largest size it was trained at.

    Raises:
        DataError: the folder holds another run and ``resume`` is off, or it has none to resume.
    """
    configuration = _configuration(recipe, training, validation, data_notes)
    done = _prepare(folder, configuration, resume)
    keras.utils.set_random_seed(recipe.seed)
    model = _mean(recipe.start) if recipe.start else None
    epoch = 0
    for number, phase in enumerate(recipe.phases):
        first, epoch = epoch, epoch + phase.epochs
        if done >= epoch and number < len(recipe.phases) - 1:
            continue
        if done > first:
            model = keras.models.load_model(folder / _CHECKPOINT)
        elif done == first > 0:
            before = keras.models.load_model(folder / _CHECKPOINT)
            _settle(before, recipe)
            model = _compile(recipe, phase, training, before)
        else:
            model = _compile(recipe, phase, training, model)
        teachers = [
            resized(keras.models.load_model(file, compile=False), phase.size)
            for file in recipe.teachers
        ]
        for current in range(max(first, done), epoch):
            _epoch(model, teachers, recipe, phase, current, epoch, training, validation, folder)
        _settle(model, recipe)
    assert model is not None  # a recipe has phases
    largest = max(phase.size for phase in recipe.phases)
    model = resized(model, largest, recipe.dropout)
    model.save(folder / MODEL_FILE)
    return model


def predict_logits(model: keras.Model, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """Logits float32 ``[N, C]`` of uint8 ``[N, 224, 224, 1]``, resized to the network's input."""
    pixels = at_size(images, model.input_shape[1])
    return np.asarray(model.predict(pixels, batch_size=batch, verbose=0))


def _epoch(
    model: keras.Model,
    teachers: list[keras.Model],
    recipe: Recipe,
    phase: Phase,
    current: int,
    last: int,
    training: Dataset,
    validation: Dataset,
    folder: Path,
) -> None:
    print(f"epoch {current + 1}/{last}, {phase.size} pixels, {phase.frozen} blocks frozen")
    _seed_dropout(model, recipe.seed, current)
    rows = batches(training, phase.size, BATCH, recipe.augmentation, recipe.seed, current)
    fitted = model.fit(
        taught(rows, teachers) if teachers else rows,
        initial_epoch=current,
        epochs=current + 1,
        shuffle=False,  # the batches are shuffled already
    )
    logits = predict_logits(model, validation.images)
    scores = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    row = {
        "epoch": current + 1,
        "size": phase.size,
        "loss": fitted.history["loss"][0],
        "accuracy": fitted.history["accuracy"][0],
        "validation_loss": float(
            -(validation.targets * np.log(np.clip(scores, 1e-7, 1))).sum(axis=1).mean()
        ),
        "validation_accuracy": float(((1 - scores[:, 0] >= 0.5) == validation.is_pneumonia).mean()),
        "validation_auroc": float(roc_auc_score(validation.is_pneumonia, 1 - scores[:, 0])),
    }
    print("  " + ", ".join(f"{name} {value:.4g}" for name, value in row.items()))
    model.save(folder / f"new-{_CHECKPOINT}")
    (folder / f"new-{_CHECKPOINT}").replace(folder / _CHECKPOINT)
    history = folder / HISTORY_FILE
    with history.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, list(row))
        if not history.stat().st_size:
            writer.writeheader()
        writer.writerow(row)
    (folder / _STATE).write_text(json.dumps({"epochs": current + 1}))
    _draw_curves(folder)


def _mean(files: Sequence[str]) -> keras.Model:
    """A network with the mean of the networks' weights, moving statistics among them."""
    models = [keras.models.load_model(file, compile=False) for file in files]
    together = zip(*(model.get_weights() for model in models), strict=True)
    models[0].set_weights([np.mean(weights, axis=0) for weights in together])
    return models[0]


def _compile(
    recipe: Recipe, phase: Phase, training: Dataset, before: keras.Model | None
) -> keras.Model:
    if before is None:
        model = ARCHITECTURES[recipe.architecture](phase.size, len(LABELS), recipe.dropout)
    else:
        model = resized(before, phase.size, recipe.dropout)
    freeze_blocks(model, phase.frozen)
    if not phase.norms:
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    steps = -(-len(training) // BATCH) * phase.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        phase.rate / 20, steps, alpha=0.02, warmup_target=phase.rate, warmup_steps=steps // 10
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=recipe.weight_decay,
        global_clipnorm=1.0,
        use_ema=recipe.average > 0,
        ema_momentum=recipe.average,
        ema_overwrite_frequency=None,
    )
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.label_smoothing
    )
    model.compile(optimizer, loss, weighted_metrics=["accuracy"])
    return model


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    for number, layer in enumerate(dropouts):
        layer.seed_generator.state.assign([seed * 1000 + number, epoch])


def _settle(model: keras.Model, recipe: Recipe) -> None:
    """At the end of a phase the averaged weights take the place of the last ones."""
    if recipe.average > 0:
        model.optimizer.finalize_variable_values(model.trainable_variables)


def _prepare(folder: Path, configuration: dict[str, object], resume: bool) -> int:
    """Check the run folder; how many epochs it holds."""
    state, file = folder / _STATE, folder / CONFIGURATION_FILE
    if not resume:
        if file.exists():
            raise DataError(f"{folder} holds a run already. Use --resume, or another --out.")
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(configuration, indent=2, default=str) + "\n")
        return 0
    if not file.exists():
        raise DataError(f"{folder} holds no run to resume. Leave --resume out to start one.")
    before = json.loads(file.read_text())
    now = json.loads(json.dumps(configuration, default=str))
    for key in ("recipe", "training_fingerprint", "start_sha256", "teachers_sha256"):
        if before.get(key) != now[key]:
            raise DataError(f"{folder} was started with another {key}; resume it as it was begun.")
    return int(json.loads(state.read_text())["epochs"]) if state.exists() else 0


def _configuration(
    recipe: Recipe, training: Dataset, validation: Dataset, data_notes: dict[str, object]
) -> dict[str, object]:
    return {
        "recipe": asdict(recipe),
        "labels": LABELS,
        "image_size": SIZE,
        **data_notes,
        # an image that is repeated counts once
        "training_images": len({sample.path for sample in training.samples}),
        "training_patients": len(np.unique(training.groups)),
        "validation_images": len(validation),
        "validation_patients": len(np.unique(validation.groups)),
        "training_fingerprint": training.fingerprint(),
        "validation_fingerprint": validation.fingerprint(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "numpy", "pillow")},
        },
        "git_commit": _git_commit(),
        "start_sha256": [_sha256(file) for file in recipe.start],
        "teachers_sha256": [_sha256(file) for file in recipe.teachers],
    }


def _sha256(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _git_commit() -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return answer.stdout.strip() or None


def _draw_curves(folder: Path) -> None:
    with (folder / HISTORY_FILE).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(12, 3.5), layout="constrained")
    epochs = [int(row["epoch"]) for row in rows]
    for panel, names in zip(
        panels,
        (("loss", "validation_loss"), ("accuracy", "validation_accuracy"), ("validation_auroc",)),
        strict=True,
    ):
        for name in names:
            panel.plot(epochs, [float(row[name]) for row in rows], marker="o", label=name)
        panel.set_xlabel("epoch")
        panel.legend()
    figure.savefig(folder / "curves.png", dpi=100)
    plt.close(figure)
