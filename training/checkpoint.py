"""A run's state between epochs: networks, history and how many epochs are done."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import matplotlib as mpl

from training.configuration import CONFIGURATION_FILE, RunConfiguration
from training.data import DataError

mpl.use("Agg")
from matplotlib import pyplot as plt

HISTORY_FILE = "history.csv"
_NETWORK = "checkpoint.keras"
_AVERAGE = "average.keras"
_STATE = "state.json"
# what must not change when a run is resumed
_IDENTITY = ("recipe", "labels", "training_fingerprint", "start_sha256", "teachers_sha256")


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


def open_folder(folder: Path, configuration: RunConfiguration, resume: bool) -> int:
    """Prepare a run's folder.

    Returns:
        How many epochs it holds.

    Raises:
        DataError: it holds another run and ``resume`` is off, or it has none to resume.
        ConfigurationError: its configuration cannot be read.
    """
    started = (folder / CONFIGURATION_FILE).exists()
    if not resume:
        if started:
            raise DataError(f"{folder} holds a run already. Use --resume, or another --out.")
        folder.mkdir(parents=True, exist_ok=True)
        configuration.write(folder)
        return 0
    if not started:
        raise DataError(f"{folder} holds no run to resume. Leave --resume out to start one.")
    before = RunConfiguration.read(folder)
    for name in _IDENTITY:
        if getattr(before, name) != getattr(configuration, name):
            raise DataError(f"{folder} was started with another {name}; resume it as it was begun.")
    state = _state(folder)
    if state and configuration.recipe.average and not (folder / _AVERAGE).exists():
        raise DataError(f"{folder} was started by an earlier version; start it again.")
    return int(state.get("epochs", 0))


def save(folder: Path, networks: Networks, row: dict[str, Any]) -> None:
    """Write a checkpoint and a row of the history; its ``kept`` names the better network."""
    for network, name in ((networks.last, _NETWORK), (networks.average, _AVERAGE)):
        if network is not None:
            network.save(folder / f"new-{name}")
            (folder / f"new-{name}").replace(folder / name)
    history = folder / HISTORY_FILE
    with history.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, list(row))
        if not history.stat().st_size:
            writer.writeheader()
        writer.writerow(row)
    (folder / _STATE).write_text(json.dumps({"epochs": row["epoch"], "kept": row["kept"]}))
    _draw_curves(folder)


def load(folder: Path) -> Networks:
    """The networks of the last checkpoint."""
    average = folder / _AVERAGE
    return Networks(
        keras.models.load_model(folder / _NETWORK),
        keras.models.load_model(average, compile=False) if average.exists() else None,
    )


def load_kept(folder: Path) -> keras.Model:
    """The better network of the last checkpoint."""
    return load(folder).named()[_state(folder)["kept"]]


def _state(folder: Path) -> dict[str, Any]:
    file = folder / _STATE
    state: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return state


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
        panel.legend()
    figure.savefig(folder / "curves.png", dpi=100)
    plt.close(figure)
