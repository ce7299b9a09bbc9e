"""How a network is trained, and the record of it in a run's ``configuration.json``.

Light on purpose: the command line reads its defaults here, without Keras.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import TypeAdapter, ValidationError

from service.errors import PneumoniaError
from training.labels import LabelSet

CONFIGURATION_FILE = "configuration.json"
BLOCKS = 3  # of patient numbers, one of which may be held out

Architecture: TypeAlias = Literal["cnn", "efficientnet_lite0"]


class ConfigurationError(PneumoniaError):
    """A ``configuration.json`` that does not describe a run."""

    code = "configuration"


@dataclass(frozen=True)
class Augmentation:
    """Ranges from which every image draws, uniformly unless said otherwise.

    Attributes:
        area: share of the image's area that a crop keeps; above 1 the image gets a black frame.
        aspect: width over height of the crop, log-uniform.
        rotation: degrees, to either side.
        flip: probability of a left-right flip.
        gamma: exponent on grey values 0..1, log-uniform.
        contrast: factor around the image's mean, log-uniform.
        brightness: shift of grey values 0..1, to either side.
        sharpness: -1 blurs fully, 0 leaves, 1 sharpens as much.
        noise: largest standard deviation of white noise, grey values 0..1.
        texture: share of the images whose sharpness and noise change.
        tone: share of the images that take on the grey-level histogram of another image of the
            batch, by a share that is drawn.
    """

    area: tuple[float, float] = (0.15, 1.0)
    aspect: tuple[float, float] = (0.75, 4 / 3)
    rotation: float = 10.0
    flip: float = 0.5
    gamma: tuple[float, float] = (0.7, 1.5)
    contrast: tuple[float, float] = (0.65, 1.45)
    brightness: float = 0.12
    sharpness: tuple[float, float] = (-1.0, 1.0)
    noise: float = 0.02
    texture: float = 1.0
    tone: float = 0.0


@dataclass(frozen=True)
class Phase:
    """Some epochs with one image size and one set of frozen layers.

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
    def parse(cls, text: str) -> Self:
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
        average: largest momentum of the moving average of the weights, which is kept where it
            validates better than the last weights; 0 for no average.
        start: files of networks whose mean weights the first phase starts from (model soups,
            Wortsman et al. 2022, arXiv:2203.05482); empty to start from those of the architecture.
            Several must have been started from the same weights, or their mean is meaningless.
        teachers: files of networks whose mean prediction for each augmented image replaces its
            label; empty to learn the labels.
    """

    architecture: Architecture = "efficientnet_lite0"
    phases: tuple[Phase, ...] = (Phase(160, 3, 8, 5e-4, norms=True),)
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    dropout: float = 0.2
    label_smoothing: float = 0.05
    weight_decay: float = 1e-4
    average: float = 0.998
    start: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()


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
        conflicting_times: how often an epoch shows the images of the first data set on which an
            anatomy-free model is wrong (``training.shortcuts``).
        positive: labels that count as disease; empty for all but the one that is named normal.
        finding: what they mean together; None for what follows from their names.
    """

    folders: tuple[Path, ...]
    also_times: int = 1
    folds: int = 6
    fold: int = 0
    limit: int | None = None
    block: int | None = None
    conflicting_times: int = 1
    positive: tuple[str, ...] = ()
    finding: str | None = None


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
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ConfigurationError(f"{file}: {place or 'file'}: {first['msg']}.") from error

    def write(self, folder: Path) -> None:
        """Write the configuration into a run folder."""
        text = TypeAdapter(RunConfiguration).dump_json(self, indent=2)
        (folder / CONFIGURATION_FILE).write_bytes(text + b"\n")
