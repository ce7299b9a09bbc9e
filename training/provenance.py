"""Where a run comes from: its images, code, libraries and the networks it starts from."""

import hashlib
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np

from training.configuration import RunConfiguration, Selection
from training.data import SIZE, Dataset
from training.layouts import name_and_place
from training.recipe import Recipe


def describe_run(
    recipe: Recipe,
    selection: Selection,
    training: Dataset,
    validation: Dataset,
    command: str | None,
) -> RunConfiguration:
    """The record of a run that is about to start.

    Args:
        recipe: how it trains.
        selection: how the images were chosen.
        training: images to learn from, each as often as an epoch shows it.
        validation: images held out.
        command: that started the run.
    """
    return RunConfiguration(
        recipe=recipe,
        labels=training.labels.names,
        image_size=SIZE,
        sources=tuple(name_and_place(folder)[0] for folder in selection.folders),
        also_times=selection.also_times,
        folds=selection.folds,
        fold=selection.fold,
        limit=selection.limit,
        skipped_files=len(training.skipped),
        # an image that is repeated counts once
        training_images=len({sample.path for sample in training.samples}),
        training_patients=len(np.unique(training.groups)),
        validation_images=len(validation),
        validation_patients=len(np.unique(validation.groups)),
        training_fingerprint=training.fingerprint(),
        validation_fingerprint=validation.fingerprint(),
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "numpy", "pillow")},
        },
        git_commit=_git_commit(),
        command=command,
        start_sha256=tuple(map(_sha256, recipe.start)),
        teachers_sha256=tuple(map(_sha256, recipe.teachers)),
        negatives=training.labels.negatives,
        finding=training.labels.finding,
        block=selection.block,
        conflicting_times=selection.conflicting_times,
        selection=selection,
    )


def _sha256(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _git_commit() -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return answer.stdout.strip() or None
