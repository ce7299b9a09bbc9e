"""Labelled X-rays in the Kaggle folder layout, grouped by patient.

The layout is ``{train,val,test}/{NORMAL,PNEUMONIA}`` or just ``{NORMAL,PNEUMONIA}``. Whether an
infection is bacterial or viral is in the file name (``person1_bacteria_2.jpeg``); otherwise the
target is one half for each of the two.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from keras.utils import Progbar
from numpy.typing import NDArray
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from service.errors import PneumoniaError
from service.imaging.decode import decode
from service.imaging.preprocess import DECODE_MARGIN, to_model_input
from service.imaging.radiograph import Limits, Pixels
from training.labels import CHILDREN, PNEUMONIA, LabelSet

SIZE = 224  # images are kept at this size in memory; augmentation crops from it

Targets: TypeAlias = NDArray[np.float32]

_CLASSES = ("NORMAL", "PNEUMONIA")
_PARTS = ("train", "val", "test")
_KINDS = {"bacteria": "bacterial", "virus": "viral"}  # words in file names
_PATIENT = re.compile(
    r"^(?P<child>person\d+_(?:bacteria|virus)|(?:NORMAL2-)?IM-\d+)|^(?P<adult>\d{8})_\d{3}"
)


class DataError(PneumoniaError):
    """A folder without a usable data set, or one that cannot be trained or scored on."""

    code = "data"


@dataclass(frozen=True)
class Sample:
    """One image file and what is known of it.

    Attributes:
        path: the file.
        label: in lower case; what a :class:`~training.labels.LabelSet` knows.
        patient: unique over all sources.
        source: name of the data set's folder.
    """

    path: Path
    label: str
    patient: str
    source: str

    @property
    def name(self) -> str:
        """Source and file name, as lists of images have them."""
        return f"{self.source}/{self.path.name}"


@dataclass(frozen=True)
class Dataset:
    """Decoded images with their targets, in one order.

    Attributes:
        samples: where each row comes from.
        images: uint8 ``[N, 224, 224, 1]``.
        targets: float32 ``[N, C]``, one probability for each label; rows sum to 1.
        groups: int ``[N]``; images of one patient, and exact copies, share a number.
        skipped: files that could not be read, each with the reason.
        labels: of the columns of the targets.
    """

    samples: tuple[Sample, ...]
    images: Pixels
    targets: Targets
    groups: NDArray[np.int64]
    skipped: tuple[str, ...]
    labels: LabelSet = CHILDREN

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def is_pneumonia(self) -> NDArray[np.bool_]:
        """Whether the label counts as disease, bool ``[N]``."""
        ill: NDArray[np.bool_] = self.labels.probability(self.targets) > 0.5
        return ill

    @property
    def has_subtype(self) -> NDArray[np.bool_]:
        """bool ``[N]``: the label is known, not only that it is one of those of disease."""
        certain: NDArray[np.bool_] = self.targets.max(axis=1) > 0.99
        return certain

    def take(self, rows: NDArray[np.int64]) -> "Dataset":
        """The rows with these indices, in this order."""
        return replace(
            self,
            samples=tuple(self.samples[row] for row in rows),
            images=self.images[rows],
            targets=self.targets[rows],
            groups=self.groups[rows],
        )

    def fingerprint(self) -> str:
        """SHA-256 over all pixels and targets, independent of file names and order."""
        rows = sorted(
            hashlib.sha256(image.tobytes() + target.tobytes()).digest()
            for image, target in zip(self.images, self.targets, strict=True)
        )
        return hashlib.sha256(b"".join(rows)).hexdigest()


def find_samples(folder: Path, parts: Sequence[str] = ("train", "val")) -> list[Sample]:
    """List the labelled files of a data set, sorted by name.

    Args:
        folder: ``{train,val,test}/{NORMAL,PNEUMONIA}`` or ``{NORMAL,PNEUMONIA}``.
        parts: which parts of the former are taken. The default leaves the test part alone and
            joins the published 16-image validation part, too small to be one, to the training part.

    Raises:
        DataError: the folder does not exist, has another layout, or lacks files of a class.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. See `pneumonia data --help` for the layout.")
    roots = [folder / part for part in _PARTS if part in parts and (folder / part).is_dir()]
    roots = roots or [folder]
    if not any((root / name).is_dir() for root in roots for name in _CLASSES):
        raise DataError(
            f"{folder} is no data set: it needs the folders NORMAL and PNEUMONIA, or those two in "
            f"each of {', '.join(parts)}."
        )
    samples = []
    for name in _CLASSES:
        files = sorted(
            path
            for root in roots
            for path in (root / name).glob("**/*")
            if path.is_file() and not path.name.startswith(".")
        )
        if not files:
            raise DataError(f"The class {name} of {folder} is empty; both classes are needed.")
        samples += [_sample(path, name, folder.name) for path in files]
    return samples


def load(samples: Sequence[Sample], quiet: bool = False, labels: LabelSet | None = None) -> Dataset:
    """Decode and resize images exactly as the service does; unreadable files are left out.

    Args:
        samples: the files.
        quiet: whether to show no progress.
        labels: of the targets; by default those that the samples have.

    Raises:
        DataError: a label has no readable image.
        LabelError: a sample's label is none of ``labels``, or they have too few of them.
    """
    labels = labels or LabelSet.of({sample.label for sample in samples})
    wanted = [labels.target(sample.label) for sample in samples]
    bar = Progbar(len(samples), unit_name="image", verbose=0 if quiet else 1)
    kept, images, targets, skipped = [], [], [], []
    for number, (sample, target) in enumerate(zip(samples, wanted, strict=True), start=1):
        try:
            radiograph = decode(sample.path.read_bytes(), Limits(), DECODE_MARGIN * SIZE)
            images.append(to_model_input(radiograph.image, SIZE, SIZE))
            kept.append(sample)
            targets.append(target)
        except (PneumoniaError, OSError) as error:
            skipped.append(f"{sample.path}: {error}")
        bar.update(number)
    unread = {sample.label for sample in samples} - {sample.label for sample in kept}
    if unread:
        raise DataError(f"The class {min(unread)} has no readable image.")
    pixels = np.stack(images)
    return Dataset(
        tuple(kept),
        pixels,
        np.array(targets, np.float32),
        _groups(kept, pixels),
        tuple(skipped),
        labels,
    )


def at_size(images: Pixels, size: int) -> Pixels:
    """Resize uint8 ``[N, h, w, 1]`` to ``[N, size, size, 1]`` by the service's own filter."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack(
        [to_model_input(Image.fromarray(image[..., 0]), size, size) for image in images]
    )


def split(data: Dataset, folds: int, fold: int, seed: int) -> tuple[Dataset, Dataset]:
    """Split into training and validation images by patient.

    Stratified by label and source; exact copies stay on one side, whatever patient they name.

    Args:
        data: all images.
        folds: into how many parts the patients are divided.
        fold: which part validates, 0..folds-1.
        seed: of the division.

    Raises:
        DataError: there is no such fold, or a class has fewer patients than folds.
    """
    if not 0 <= fold < folds or folds < 2:
        raise DataError(f"--folds must be at least 2, and --fold lie from 0 to {folds - 1}.")
    sources = {name: number for number, name in enumerate(sorted({s.source for s in data.samples}))}
    strata = data.targets.argmax(axis=1) + len(data.labels) * np.array(
        [sources[sample.source] for sample in data.samples]
    )
    for stratum in np.unique(strata):
        if len(np.unique(data.groups[strata == stratum])) < folds:
            raise DataError(
                f"Fewer than {folds} patients in one class; use fewer --folds or more images."
            )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    training, validation = list(splitter.split(strata, strata, data.groups))[fold]
    return data.take(training), data.take(validation)


def _sample(path: Path, name: str, source: str) -> Sample:
    match = _PATIENT.match(path.name)
    patient = next(filter(None, match.groups())) if match else path.stem
    label = name.lower()
    if label == PNEUMONIA:
        kinds = (kind for word, kind in _KINDS.items() if word in path.name.lower())
        label = next(kinds, PNEUMONIA)
    return Sample(path, label, f"{source}/{patient}", source)


def _groups(samples: Sequence[Sample], images: Pixels) -> NDArray[np.int64]:
    """Number the patients; patients who share an exact copy of an image become one."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for sample, image in zip(samples, images, strict=True):
        content = f"sha256 {hashlib.sha256(image.tobytes()).hexdigest()}"
        parent[root(content)] = root(sample.patient)
    roots = [root(sample.patient) for sample in samples]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
