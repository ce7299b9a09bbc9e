"""A run's state between epochs: networks, history and how many epochs are done."""

import csv
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import matplotlib as mpl

from training.configuration import (
    HISTORY_FILE,
    STATE_FILE,
    RunConfiguration,
    must_agree,
    must_be_new,
    read_begun,
)
from training.data import DataError
from training.recipe import Recipe

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

_NETWORK = "checkpoint.keras"
_AVERAGE = "average.keras"
_BEST = "best.keras"


@dataclass(frozen=True)
class Networks:
    """What one epoch leaves to the next.

    Attributes:
        last: the network in training, with its optimizer.
        average: holds the moving average of its weights; None where nothing is averaged.
    """

    last: keras.Model
    average: keras.Model | None

    def named(self) -> dict[str, keras.Model]:
        """Those that may be kept, by the name that the history gives them."""
        return {"last": self.last, **({"average": self.average} if self.average else {})}


@dataclass(frozen=True)
class State:
    """How far a run is.

    Attributes:
        epochs: that are done, in all phases.
        phase: the one that was trained last, from 0.
        epochs_of_phase: that are done in it.
        kept: which of the networks the last epoch keeps.
        best: the highest gain of an epoch of this phase; None before its first.
        waited: epochs since then.
    """

    epochs: int = 0
    phase: int = 0
    epochs_of_phase: int = 0
    kept: str = "last"
    best: float | None = None
    waited: int = 0

    def next_phase(self) -> "State":
        """At the start of the phase after this."""
        return State(self.epochs, self.phase + 1, kept=self.kept)

    def after_epoch(self, kept: str, gain: float) -> "State":
        """One epoch further; ``waited`` is 0 where it is the best one."""
        better = self.best is None or gain > self.best
        return State(
            self.epochs + 1,
            self.phase,
            self.epochs_of_phase + 1,
            kept,
            gain if better else self.best,
            0 if better else self.waited + 1,
        )


def open_folder(folder: Path, configuration: RunConfiguration, resume: bool) -> State:
    """Prepare a run's folder.

    Returns:
        How far the run in it is.

    Raises:
        ConfigurationError: it holds another run and ``resume`` is off, it has none to resume, or
            one that was started with other settings.
        DataError: its state is of another version.
    """
    if not resume:
        must_be_new(folder)
        folder.mkdir(parents=True, exist_ok=True)
        configuration.write(folder)
        return State()
    must_agree(folder, read_begun(folder), configuration)
    return _read_state(folder)


def save(
    folder: Path, networks: Networks, row: dict[str, Any], state: State, recipe: Recipe
) -> None:
    """Write a checkpoint and a row of the history, whole even if Ctrl-C falls into it."""
    with _uninterrupted():
        files = {_NETWORK: networks.last, _AVERAGE: networks.average}
        if recipe.keep and not state.waited:
            files[_BEST] = networks.named()[state.kept]
        for name, network in files.items():
            if network is not None:
                network.save(folder / f"new-{name}")
                (folder / f"new-{name}").replace(folder / name)
        history = folder / HISTORY_FILE
        with history.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, list(row))
            if not history.stat().st_size:
                writer.writeheader()
            writer.writerow(row)
        (folder / STATE_FILE).write_text(json.dumps(asdict(state)))
    _draw_curves(folder)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds back Ctrl-C until the block is over."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        signal.raise_signal(signal.SIGINT)


def load(folder: Path) -> Networks:
    """The networks of the last checkpoint."""
    average = folder / _AVERAGE
    return Networks(
        keras.models.load_model(folder / _NETWORK),
        keras.models.load_model(average, compile=False) if average.exists() else None,
    )


def load_kept(folder: Path, recipe: Recipe) -> keras.Model:
    """The network that the last phase hands on."""
    if recipe.keep:
        return keras.models.load_model(folder / _BEST, compile=False)
    return load(folder).named()[_read_state(folder).kept]


def _read_state(folder: Path) -> State:
    file = folder / STATE_FILE
    if not file.exists():
        return State()
    try:
        written = json.loads(file.read_text())
        return State(**{name: written[name] for name in State.__dataclass_fields__})
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{file} is of another version; start the run again.") from error


def _draw_curves(folder: Path) -> None:
    with (folder / HISTORY_FILE).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
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
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend()
    figure.savefig(folder / "curves.png", dpi=100)
    plt.close(figure)
