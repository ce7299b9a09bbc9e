"""A finished training run, read from its folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import keras
import numpy as np

from export.siblings import align
from service.errors import PneumoniaError
from service.inference.contract import Histogram
from training.configuration import (
    INPUT_CHECK_FILE,
    MODEL_FILE,
    OUT_OF_FOLD_FILE,
    VALIDATION_FILE,
    RunConfiguration,
    must_be_finished,
)
from training.data import DataError, Dataset, Sample, find_samples, load
from training.input_check import REPORT_FILE, InputCheck
from training.validation import NAMES_FILE, Validation, join


class RunError(PneumoniaError):
    """A run of which no model file can or should be made."""

    code = "run"


@dataclass(frozen=True)
class Run:
    """What `pneumonia train` left behind.

    Attributes:
        folder: where it is.
        configuration: recipe, data and versions.
        model: the network.
        validation: its logits on held-out images.
        out_of_fold: the logits of all images, each by a network that never saw its patient; None
            where the run trained one fold only.
        check: the fitted input check; None for a network without one.
        distances: histogram of the check's distances of held-out images; None without a check.
    """

    folder: Path
    configuration: RunConfiguration
    model: keras.Model
    validation: Validation
    out_of_fold: Validation | None
    check: InputCheck | None
    distances: Histogram | None

    @classmethod
    def load(cls, folder: Path, siblings: Sequence[Path] = ()) -> Self:
        """Read a run.

        Args:
            folder: of the run.
            siblings: folders of runs with the same recipe and images, but others held out; their
                predictions, aligned, join the run's own.

        Raises:
            ConfigurationError: a folder holds no finished run, or its configuration cannot be
                read.
            DataError: a sibling is of other labels.
        """
        must_be_finished(folder)
        check = distances = None
        if (folder / INPUT_CHECK_FILE).is_file():
            check = InputCheck.load(folder / INPUT_CHECK_FILE)
            report = json.loads((folder / REPORT_FILE).read_text())
            distances = Histogram.model_validate(report["reference_histogram"])
        configuration = RunConfiguration.read(folder)
        own, source = Validation.load(folder / VALIDATION_FILE), configuration.sources[0]
        return cls(
            folder,
            configuration,
            keras.models.load_model(folder / MODEL_FILE, compile=False),
            join(own, [align(_validation(sibling), own, source) for sibling in siblings]),
            Validation.load(folder / OUT_OF_FOLD_FILE)
            if (folder / OUT_OF_FOLD_FILE).is_file()
            else None,
            check,
            distances,
        )

    @property
    def calibration(self) -> Validation:
        """The logits that scaling and thresholds are fitted on."""
        return self.out_of_fold or self.validation

    @property
    def source(self) -> str:
        """Name of the data set that calibration and figures are about."""
        return self.configuration.sources[0]

    @property
    def size(self) -> int:
        """Rows and columns of the network's input."""
        size: int = self.model.input_shape[1]
        return size


def _validation(sibling: Path) -> Validation:
    if not (sibling / VALIDATION_FILE).is_file():
        raise RunError(f"{sibling} holds no finished run ({VALIDATION_FILE} missing).")
    return Validation.load(sibling / VALIDATION_FILE)


@dataclass(frozen=True)
class HeldOut:
    """The images of a run's first data set, as the run divided them.

    Attributes:
        data: the held-out ones.
        known: the network's logits for them.
        others: the files it was trained on.
    """

    data: Dataset
    known: Validation
    others: list[Sample]


def find_held_out(run: Run, folder: Path) -> HeldOut:
    """Load the held-out images of a run from its first data set.

    Raises:
        DataError: the folder is not a data set, or not the one the run held images out of.
    """
    names = set((run.folder / NAMES_FILE).read_text().split("\n"))
    samples = find_samples(folder)
    kept = [sample for sample in samples if sample.name in names]
    if not kept:
        raise DataError(f"{folder} has none of the images that the run held out.")
    data = load(kept, labels=run.configuration.label_set)
    others = sorted(set(samples) - set(kept), key=lambda sample: sample.path)
    return HeldOut(data, held_out(data, run.validation, run.source), others)


def held_out(data: Dataset, run: Validation, source: str) -> Validation:
    """The run's validation of one source, after checking that ``data`` are the same images.

    Raises:
        DataError: they are not.
    """
    rows = run.sources == source
    shown = np.linspace(0, len(rows) - 1, len(run.images)).astype(int)
    places = np.cumsum(rows) - 1
    if not np.array_equal(data.targets, run.targets[rows]) or not all(
        np.array_equal(data.images[places[row]], image)
        for row, image in zip(shown, run.images, strict=True)
        if rows[row]
    ):
        raise DataError(
            f"These are not the images that the run held out; give the folder {source} it was "
            "trained on."
        )
    return run.of_source(source)
