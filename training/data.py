"""Labelled X-rays in memory, grouped by patient, and their division."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from service.errors import PneumoniaError
from service.imaging.decode import decode
from service.imaging.dicom_pool import DicomPool
from service.imaging.preprocess import COPY_SIZE, decoded_side, squash, to_model_input
from service.imaging.radiograph import Limits, Pixels, Radiograph
from training.labels import CHILDREN, LabelSet
from training.layouts import find_samples
from training.progress import progress_bar
from training.samples import DataError, Sample

__all__ = [
    "SIZE",
    "DataError",
    "Dataset",
    "Sample",
    "find_samples",
    "load",
    "model_inputs",
    "split",
]

SIZE = COPY_SIZE  # images are kept at this size in memory; augmentation crops from it

Targets: TypeAlias = NDArray[np.float32]


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
        notes: what the data sets had that was left out before any file was read.
    """

    samples: tuple[Sample, ...]
    images: Pixels
    targets: Targets
    groups: NDArray[np.int64]
    skipped: tuple[str, ...]
    labels: LabelSet = CHILDREN
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def is_pneumonia(self) -> NDArray[np.bool_]:
        """Whether the label counts as disease, bool ``[N]``."""
        positive: NDArray[np.bool_] = self.labels.probability(self.targets) > 0.5
        return positive

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


def load(samples: Sequence[Sample], quiet: bool = False, labels: LabelSet | None = None) -> Dataset:
    """Decode and resize images by the service's own code; unreadable files are left out.

    Plain borders stay, so that training learns to do without them; what a network is asked to
    predict has none (:func:`model_inputs`).

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
    bar = progress_bar(len(samples), "image", quiet)
    kept, images, targets, skipped = [], [], [], []
    with DicomPool() as pool:
        for number, (sample, target) in enumerate(zip(samples, wanted, strict=True), start=1):
            try:
                data = sample.path.read_bytes()
                radiograph = decode(data, Limits(), decoded_side(SIZE, SIZE), pool)
                images.append(squash(radiograph.image, SIZE, SIZE))
                kept.append(_with_header(sample, radiograph))
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


def model_inputs(images: Pixels, size: int) -> Pixels:
    """Make model inputs, uint8 ``[N, size, size, 1]``, of ``[N, h, w, 1]`` as the service does."""
    return np.stack(
        [to_model_input(Image.fromarray(image[..., 0]), size, size) for image in images]
    )


def split(data: Dataset, folds: int, fold: int, seed: int) -> tuple[Dataset, Dataset]:
    """Split into training and validation images by patient.

    Stratified by label and data set; exact copies stay on one side, whatever patient they name.

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
    roots = {name: number for number, name in enumerate(sorted({s.root for s in data.samples}))}
    strata = data.targets.argmax(axis=1) + len(data.labels) * np.array(
        [roots[sample.root] for sample in data.samples]
    )
    for stratum in np.unique(strata):
        if len(np.unique(data.groups[strata == stratum])) < folds:
            raise DataError(
                f"Fewer than {folds} patients in one class; use fewer --folds or more images."
            )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    training, validation = list(splitter.split(strata, strata, data.groups))[fold]
    return data.take(training), data.take(validation)


def _with_header(sample: Sample, radiograph: Radiograph) -> Sample:
    """The sample with what only its file tells: the size, and the age that a list did not."""
    age = radiograph.age_years if sample.age is None else sample.age
    return replace(sample, age=age, size=(radiograph.height, radiograph.width))


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
