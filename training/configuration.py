"""The record of a run, its ``configuration.json``, and the names of a run folder's files.

Light on purpose: the command line reads it without Keras.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from training.labels import LabelSet
from training.recipe import ConfigurationError, Recipe, first_fault

CONFIGURATION_FILE = "configuration.json"
BLOCKS = 3  # of patient numbers, one of which may be held out
CLUSTERS = 4  # of images that look as if one device had made them, likewise

HISTORY_FILE = "history.csv"
STATE_FILE = "state.json"
MODEL_FILE = "model.keras"
VALIDATION_FILE = "validation.npz"
OUT_OF_FOLD_FILE = "out_of_fold.npz"
INPUT_CHECK_FILE = "input_check.npz"


@dataclass(frozen=True)
class Selection:
    """Which images a run uses, and which of them validate it.

    Attributes:
        folders: data sets, the first being the one that figures are about.
        also_times: how often an epoch shows the training images of all data sets but the first.
        folds: into how many parts the patients are divided.
        fold: the part that validates, 0..folds-1.
        limit: use only this many images, drawn by the recipe's seed; None for all.
        block: hold out this block of patient numbers (``training.blocks``) instead of a fold; None
            for a fold.
        cluster: hold out this cluster of images that look as if one device had made them
            (``training.shortcuts``) instead of a fold; None for a fold.
        conflicting_times: how often an epoch shows the images of the first data set on which an
            anatomy-free model is wrong (``training.shortcuts``).
        positive: labels that count as disease; empty for all but the one that is named normal.
        finding: what they mean together; None for what follows from their names.
        all_folds: train a network for each fold, so that every image is predicted by one that
            never saw its patient; the network of ``fold`` is the run's.
        input_check: whether the run gets an input check.
    """

    folders: tuple[Path, ...]
    also_times: int = 1
    folds: int = 6
    fold: int = 0
    limit: int | None = None
    block: int | None = None
    cluster: int | None = None
    conflicting_times: int = 1
    positive: tuple[str, ...] = ()
    finding: str | None = None
    all_folds: bool = False
    input_check: bool = True

    def check(self) -> None:
        """Check the numbers.

        Raises:
            ConfigurationError: one is out of range.
        """
        if self.folds < 2 or not 0 <= self.fold < self.folds:
            raise ConfigurationError(
                f"--folds must be at least 2, and --fold lie from 0 to {max(self.folds, 2) - 1}."
            )
        for option, value in (
            ("--also-times", self.also_times),
            ("--conflicting-times", self.conflicting_times),
            ("--limit", self.limit),
        ):
            if value is not None and value < 1:
                raise ConfigurationError(f"{option} must be at least 1.")


@dataclass(frozen=True)
class RunConfiguration:
    """What ``configuration.json`` records of a run: recipe, images, code and libraries.

    Fields with a default are missing from the files of earlier versions.

    Attributes:
        recipe: how the network is trained.
        labels: of the network's outputs, those without disease first.
        image_size: rows and columns of the images before augmentation.
        sources: names of the data sets, the first being the one that figures are about.
        also_times: as in :class:`Selection`, like ``folds``, ``fold``, ``limit``, ``block`` and
            ``conflicting_times``.
        skipped_files: how many files could not be read.
        training_images: how many, each counted once.
        training_fingerprint: SHA-256 over the images and targets, like ``validation_fingerprint``.
        versions: of Python and the libraries.
        git_commit: of the code; None outside a git checkout.
        command: that started the run.
        start_sha256: of the files of ``recipe.start``.
        teachers_sha256: of the files of ``recipe.teachers``.
        negatives: how many of the labels do not count as disease.
        finding: what the others mean together.
        selection: the whole of it, so that a run can be resumed by its folder alone.
    """

    recipe: Recipe
    labels: tuple[str, ...]
    image_size: int
    sources: tuple[str, ...]
    also_times: int
    folds: int
    fold: int
    limit: int | None
    skipped_files: int
    training_images: int
    training_patients: int
    validation_images: int
    validation_patients: int
    training_fingerprint: str
    validation_fingerprint: str
    versions: dict[str, str]
    git_commit: str | None
    command: str | None = None
    start_sha256: tuple[str, ...] = ()
    teachers_sha256: tuple[str, ...] = ()
    negatives: int = 1
    finding: str = "pneumonia"
    block: int | None = None
    conflicting_times: int = 1
    selection: Selection | None = None

    @property
    def label_set(self) -> LabelSet:
        """What the network's outputs mean."""
        return LabelSet(self.labels, self.negatives, self.finding)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the configuration of a run folder.

        Raises:
            OSError: it has none.
            ConfigurationError: the file does not describe a run.
        """
        file = folder / CONFIGURATION_FILE
        try:
            return TypeAdapter(cls).validate_json(file.read_bytes())
        except ValidationError as error:
            raise first_fault(file, error) from error

    def write(self, folder: Path) -> None:
        """Write the configuration into a run folder."""
        text = TypeAdapter(RunConfiguration).dump_json(self, indent=2)
        (folder / CONFIGURATION_FILE).write_bytes(text + b"\n")


def must_be_finished(folder: Path) -> None:
    """Check that a folder holds a finished run, without loading it.

    Raises:
        ConfigurationError: it does not, or its configuration cannot be read.
    """
    if not (folder / CONFIGURATION_FILE).is_file():
        raise ConfigurationError(f"{folder} is not a run folder of `pneumonia train`.")
    names = [MODEL_FILE, VALIDATION_FILE]
    selection = RunConfiguration.read(folder).selection
    if selection is not None:  # as runs of earlier versions have none
        names += [INPUT_CHECK_FILE] * selection.input_check + [
            OUT_OF_FOLD_FILE
        ] * selection.all_folds
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"{folder} holds no finished run ({', '.join(missing)} missing). Finish it with "
            f"`pneumonia train --resume {folder}`."
        )


def must_be_new(folder: Path) -> None:
    """Check that no run was begun in a folder.

    Raises:
        ConfigurationError: it holds one.
    """
    if (folder / CONFIGURATION_FILE).exists():
        raise ConfigurationError(
            f"{folder} holds a run already. Continue it with --resume {folder}, or take another "
            "--out."
        )


def read_begun(folder: Path) -> RunConfiguration:
    """The configuration of a run that is to be resumed.

    Raises:
        ConfigurationError: the folder holds none, or it cannot be read.
    """
    if not (folder / CONFIGURATION_FILE).is_file():
        raise ConfigurationError(
            f"{folder} holds no run to resume. Leave --resume out to start one."
        )
    return RunConfiguration.read(folder)


def must_agree(folder: Path, before: RunConfiguration, now: RunConfiguration) -> None:
    """Check that a run is resumed as it was started.

    Raises:
        ConfigurationError: it is not; the message names what differs.
    """
    found = _differences(before, now)
    if found:
        raise ConfigurationError(
            f"{folder} was started with other settings ({'; '.join(found)}). Leave these options "
            "out to go on with it, or start a new run."
        )


_LONG = 60  # characters of a value in a message
# what decides a run, beside its recipe and the selection's numbers
_IDENTITY = (
    "labels",
    "training_fingerprint",
    "validation_fingerprint",
    "start_sha256",
    "teachers_sha256",
)


def _differences(before: RunConfiguration, now: RunConfiguration) -> list[str]:
    """What keeps a run from being resumed, as ``NAME: VALUE then, VALUE now``; none where nothing.

    Files of earlier runs count by their content, wherever they lie.
    """
    then, asked = (_identity(one) for one in (before, now))
    return [
        f"{name}: {_shown(then[name])} then, {_shown(asked[name])} now"
        for name in then
        if then[name] != asked[name]
    ]


def _identity(one: RunConfiguration) -> dict[str, object]:
    found = asdict(one.recipe) | {name: getattr(one, name) for name in _IDENTITY}
    found |= asdict(one.selection) if one.selection else {}
    for name in ("start", "teachers", "folders"):
        found.pop(name, None)  # their content counts
    return found


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."
