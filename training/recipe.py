"""How a network is trained, and recipe files that say it.

Light on purpose: the command line reads its defaults here, without Keras.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import TypeAdapter, ValidationError

from service.errors import PneumoniaError

Architecture: TypeAlias = Literal[
    "cnn", "efficientnet_lite0", "resnet50", "densenet121", "efficientnet_v2_b0"
]
Measure: TypeAlias = Literal["loss", "accuracy", "auroc"]
Schedule: TypeAlias = Literal["cosine", "linear", "constant"]
Balance: TypeAlias = Literal["loss", "sampling", "none"]


class ConfigurationError(PneumoniaError):
    """A recipe or a ``configuration.json`` that describes no run, or one that cannot be."""

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
        frozen: share of the layers, from the input on, that keep their pretrained weights, 0..1.
            The last layer always learns.
        epochs: passes over the training images, at most.
        rate: peak learning rate.
        norms: whether batch normalisations learn too; else they keep scale and statistics, which
            on a processor nearly halves the time of a step.
    """

    size: int = 160
    frozen: float = 0.18
    epochs: int = 8
    rate: float = 5e-4
    norms: bool = True

    @property
    def freezing(self) -> str:
        """``frozen`` in words."""
        return f"{self.frozen:.0%} of the layers frozen"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SIZE:FROZEN:EPOCHS:RATE`` or ``SIZE:FROZEN:EPOCHS:RATE:norms``.

        Raises:
            ConfigurationError: it is not of that form, or a number is out of range.
        """
        numbers = text.removesuffix(":norms")
        try:
            size, frozen, epochs, rate = numbers.split(":")
            phase = cls(int(size), float(frozen), int(epochs), float(rate), numbers != text)
        except ValueError:
            raise ConfigurationError(
                f"{text!r} is not SIZE:FROZEN:EPOCHS:RATE or SIZE:FROZEN:EPOCHS:RATE:norms, as in "
                "160:0.18:8:0.0005:norms"
            ) from None
        phase.check()
        return phase

    def check(self) -> None:
        """Check every number's range.

        Raises:
            ConfigurationError: one is out of range.
        """
        for name, value, fits, wanted in (
            ("size", self.size, 32 <= self.size <= 1024, "32 to 1024 pixels"),
            ("frozen", self.frozen, 0 <= self.frozen <= 1, "a share of the layers, 0 to 1"),
            ("epochs", self.epochs, self.epochs >= 1, "at least 1"),
            ("rate", self.rate, 0 < self.rate < 1, "above 0 and below 1"),
        ):
            if not fits:
                raise ConfigurationError(f"the {name} of a phase is {value}; it must be {wanted}")


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
        batch: images a step.
        weights: what the network starts from: ``imagenet``, ``random``, or a file of pretrained
            weights; None for ``imagenet`` where the architecture has such weights.
        schedule: the learning rate rises over the first tenth of a phase, then falls along a
            ``cosine`` or a line (``linear``) to nearly nothing, or stays (``constant``).
        balance: classes count the same by weights in the ``loss``, by ``sampling`` (each drawn
            equally often, with replacement), or not at all (``none``).
        keep: the validation measure whose best epoch of a phase is kept; None keeps the last.
        patience: a phase ends after this many epochs without a better measure (``keep``, or
            ``loss``); None for no early stopping.
        tensorboard: whether the run folder gets logs for TensorBoard.
        average: largest momentum of the moving average of the weights, which is kept where it
            validates better than the last weights; 0 for no average.
        start: files of networks whose mean weights the first phase starts from (model soups,
            Wortsman et al. 2022, arXiv:2203.05482); empty to start from those of the architecture.
            Several must have been started from the same weights, or their mean is meaningless.
        teachers: files of networks whose mean prediction for each augmented image replaces its
            label; empty to learn the labels.
    """

    architecture: Architecture = "efficientnet_lite0"
    phases: tuple[Phase, ...] = (Phase(),)
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    dropout: float = 0.2
    label_smoothing: float = 0.05
    weight_decay: float = 1e-4
    average: float = 0.998
    start: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    batch: int = 32
    weights: str | None = None
    schedule: Schedule = "cosine"
    balance: Balance = "loss"
    keep: Measure | None = None
    patience: int | None = None
    tensorboard: bool = False

    @property
    def start_weights(self) -> str:
        """``weights``, or the architecture's own choice."""
        return self.weights or ("random" if self.architecture == "cnn" else "imagenet")

    @property
    def pretrained(self) -> bool:
        """Whether the first phase starts from weights that have learnt something."""
        return bool(self.start) or self.start_weights != "random"

    def check(self) -> None:
        """Check every number's range, and that the values go together.

        Raises:
            ConfigurationError: they do not.
        """
        if not self.phases:
            raise ConfigurationError("a recipe needs at least one phase")
        for phase in self.phases:
            phase.check()
        area = self.augmentation.area
        for name, value, fits, wanted in (
            ("batch", self.batch, self.batch >= 1, "at least 1"),
            ("dropout", self.dropout, 0 <= self.dropout < 1, "from 0 to below 1"),
            ("average", self.average, 0 <= self.average < 1, "from 0 to below 1"),
            ("patience", self.patience, self.patience is None or self.patience >= 1, "at least 1"),
            (
                "label_smoothing",
                self.label_smoothing,
                0 <= self.label_smoothing < 1,
                "from 0 to below 1",
            ),
            ("area", area, 0 < area[0] <= area[1], "two numbers above 0, the smaller first"),
            ("texture", self.augmentation.texture, 0 <= self.augmentation.texture <= 1, "0 to 1"),
            ("tone", self.augmentation.tone, 0 <= self.augmentation.tone <= 1, "0 to 1"),
            ("weight_decay", self.weight_decay, self.weight_decay >= 0, "at least 0"),
        ):
            if not fits:
                raise ConfigurationError(f"{name} is {value}; it must be {wanted}")
        if self.architecture == "cnn" and self.weights == "imagenet":
            raise ConfigurationError("there are no ImageNet weights for cnn; it starts at random")
        if self.phases[0].frozen and not self.pretrained:
            raise ConfigurationError(
                f"random weights must be trained: frozen is {self.phases[0].frozen:g}, and must be "
                "0 in the first phase"
            )


def read_recipe(file: Path) -> Recipe:
    """Read a recipe file: TOML with the fields of :class:`Recipe`, those that are left out by
    default; each phase is a table ``[[phases]]``.

    Raises:
        ConfigurationError: there is no such file, or it describes no recipe.
    """
    try:
        written = tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}.") from error
    try:
        recipe = TypeAdapter(Recipe).validate_python(written, extra="forbid")
        recipe.check()
    except ValidationError as error:
        raise first_fault(file, error) from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error.detail}.") from error
    return recipe


def first_fault(file: Path, error: ValidationError) -> ConfigurationError:
    """The first thing that is wrong with a file, in a sentence."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return ConfigurationError(f"{file}: {place or 'file'}: {first['msg']}.")
