"""Networks of earlier runs, to start from or to learn from."""

from collections.abc import Sequence
from pathlib import Path

from training.configuration import CONFIGURATION_FILE, MODEL_FILE, RunConfiguration
from training.data import DataError, Dataset
from training.recipe import Architecture


def start_networks(
    runs: Sequence[Path], architecture: Architecture, validation: Dataset
) -> tuple[str, ...]:
    """Network files of runs whose mean weights a run starts from.

    Raises:
        DataError: a run is missing or of another architecture, was trained on images held out now,
            or the runs were not all started from the same weights, so that their mean is
            meaningless.
        ConfigurationError: a configuration cannot be read.
    """
    earlier = [_read(run) for run in runs]
    starts = [one.recipe.start for one in earlier]
    if len(runs) > 1 and not all(starts):
        raise DataError("Runs are averaged only where each has a --start, the same for all.")
    if len(set(starts)) > 1:
        raise DataError("The runs to start from have different starts and cannot be averaged.")
    files = teacher_networks(runs, validation)
    for run, one in zip(runs, earlier, strict=True):
        if one.recipe.architecture != architecture:
            raise DataError(
                f"{run} is not of architecture {architecture}; start from a run of the same --arch."
            )
    return files


def teacher_networks(runs: Sequence[Path], validation: Dataset) -> tuple[str, ...]:
    """Network files of runs that held out the same images.

    Raises:
        DataError: a run is missing or was trained on images held out now.
        ConfigurationError: a configuration cannot be read.
    """
    for run in runs:
        if not (run / MODEL_FILE).is_file():
            raise DataError(f"There is no {run / MODEL_FILE} to learn from.")
        if _read(run).validation_fingerprint != validation.fingerprint():
            raise DataError(
                f"{run} learnt from images that this run holds out. Use the same folders and folds."
            )
    return tuple(str(run / MODEL_FILE) for run in runs)


def _read(run: Path) -> RunConfiguration:
    if not (run / CONFIGURATION_FILE).is_file():
        raise DataError(f"There is no {run / CONFIGURATION_FILE}; give a run of `pneumonia train`.")
    return RunConfiguration.read(run)
