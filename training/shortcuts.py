"""How much of the label an anatomy-free model can tell: the device, not the lungs.

In a collection whose healthy and ill come from different devices, tone, frame and sharpness tell
the label, and a network that learns them looks perfect on any held-out image of the collection.
The model here sees nothing else. Where it is right a network proves little; the images it gets
wrong, the *conflicting* ones, show what the network reads (docs/yardstick.md).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from service.imaging.radiograph import Pixels
from training.configuration import CLUSTERS
from training.data import DataError, Dataset

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

FOLDS = 6
KEPT_BY_A_CROP = [6, 7]  # columns of the mask geometry that a square crop to its box leaves
_FRAME = 0.25  # of each side
_CELLS = 12
_SCALES = (1, 2, 4, 8)
_LEAST_DETAIL = 1e-4  # keeps the logarithm of a flat image finite


def features(images: Pixels) -> Floats:
    """Describe tone, frame and sharpness, and nothing of the middle of the chest but its greys.

    Args:
        images: uint8 ``[N, h, w, 1]``.

    Returns:
        float64 ``[N, 160]``: 32 bins of the grey histogram, 16 bins of the frame's, the 108 cells
        of a 12 x 12 thumbnail that lie in the frame, and the logarithm of the deviation of the
        Laplacian at four scales. The frame is the outer quarter of each side.
    """
    return np.stack([_describe(image[..., 0]) for image in images])


def anatomy_free_model() -> Pipeline:
    """A logistic regression (C = 0.1) on standardised :func:`features`."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))


def cross_fitted(
    described: Floats, positive: Booleans, patients: Integers, folds: int = FOLDS, seed: int = 0
) -> tuple[Floats, Integers]:
    """What the model says of each image when it was fitted on other patients.

    Args:
        described: float64 ``[N, F]``, of :func:`features` or :func:`mask_geometry`.
        positive: bool ``[N]``, the label.
        patients: int ``[N]``, equal for images of one patient.
        folds: into how many parts the patients are dealt, evenly by label.
        seed: of the dealing.

    Returns:
        The probability of the label, float64 ``[N]``, and the fold of each image, int ``[N]``.
        Probabilities of different folds come from different models: compare them within a fold.
    """
    probability = np.empty(len(described))
    fold_of = np.empty(len(described), np.int64)
    dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for fold, (others, held_out) in enumerate(dealer.split(described, positive, patients)):
        model = anatomy_free_model().fit(described[others], positive[others])
        probability[held_out] = model.predict_proba(described[held_out])[:, 1]
        fold_of[held_out] = fold
    return probability, fold_of


def conflicting(probability: Floats, positive: Booleans) -> Booleans:
    """Images that the anatomy-free model puts on the wrong side of 0.5, bool ``[N]``."""
    return np.not_equal(probability >= 0.5, positive)


def find_conflicting(data: Dataset, root: str | None = None) -> Integers:
    """The rows of the images of one data set that the model, fitted on others, gets wrong.

    Args:
        data: labelled images, each once.
        root: name of the data set that is looked at, since devices differ between data sets
            anyway; None for all images.

    Returns:
        int ``[M]``; none where a class has fewer than ``FOLDS`` patients.
    """
    rows = np.flatnonzero([root in (None, sample.root) for sample in data.samples])
    ours = data.take(rows)
    sides = (ours.groups[ours.is_pneumonia], ours.groups[~ours.is_pneumonia])
    if min(len(np.unique(side)) for side in sides) < FOLDS:
        return rows[:0]
    probability, _ = cross_fitted(features(ours.images), ours.is_pneumonia, ours.groups)
    found: Integers = rows[conflicting(probability, ours.is_pneumonia)]
    return found


def device_clusters(described: Floats, clusters: int = CLUSTERS, seed: int = 0) -> Integers:
    """Group images that look as if one device had made them, int ``[N]``.

    k-means on the standardised :func:`features`, without labels, as a stand-in for the device,
    which is not recorded (subclasses by clustering: Sohoni et al. 2020, arXiv:2011.12945).
    """
    scaled = StandardScaler().fit_transform(described)
    found: Integers = KMeans(clusters, n_init=4, random_state=seed).fit_predict(scaled)
    return found.astype(np.int64)


def split_by_cluster(data: Dataset, root: str, cluster: int) -> tuple[Dataset, Dataset]:
    """Hold out one device cluster of a data set.

    Returns:
        The images to train on, which are of no patient of the cluster, and those of the cluster.

    Raises:
        DataError: there are too few images, or every patient has one in the cluster.
    """
    rows = np.flatnonzero([sample.root == root for sample in data.samples])
    if len(rows) < CLUSTERS:
        raise DataError(f"{root} has too few images for {CLUSTERS} clusters; use --fold.")
    held_out = rows[device_clusters(features(data.images[rows])) == cluster]
    learnt = ~np.isin(data.groups, data.groups[held_out])
    if not learnt[rows].any():
        raise DataError(f"Every patient of {root} has an image in cluster {cluster}; use --fold.")
    return data.take(np.flatnonzero(learnt)), data.take(held_out)


def mask_geometry(masks: NDArray[np.bool_]) -> Floats:
    """Describe where lung masks lie and what shape they have, without any grey value.

    How the field was framed is in it, and by an image that was made square the field's own shape.

    Args:
        masks: bool ``[N, h, w]``, true in the lungs.

    Returns:
        float64 ``[N, 8]``: area; left, top, right and bottom of the box; its width over its height;
        the share of the box that is lung; the share of the area that lies in the left half. Areas
        and places are shares of the image; all are 0 for an empty mask.
    """
    return np.stack([_shape(mask) for mask in masks])


def contact_sheet(images: Pixels, rows: Sequence[int], columns: int = 12, size: int = 96) -> Pixels:
    """Small copies of these images side by side, uint8 ``[h, w]``; unused places are black."""
    lines = -(-len(rows) // columns)
    sheet = np.zeros((lines * size, columns * size), np.uint8)
    for place, row in enumerate(rows):
        top, left = place // columns * size, place % columns * size
        tile = Image.fromarray(images[row, ..., 0]).resize((size, size))
        sheet[top : top + size, left : left + size] = np.asarray(tile)
    return sheet


def _describe(grey: NDArray[np.uint8]) -> Floats:
    height, width = grey.shape
    frame = np.ones(grey.shape, bool)
    top, left = round(_FRAME * height), round(_FRAME * width)
    frame[top : height - top, left : width - left] = False
    image = Image.fromarray(grey)
    cells = np.asarray(image.resize((_CELLS, _CELLS), Image.Resampling.BOX)) / 255
    border = round(_FRAME * _CELLS)
    outer = np.ones(cells.shape, bool)
    outer[border:-border, border:-border] = False
    return np.concatenate(
        [
            np.bincount(grey.ravel() >> 3, minlength=32) / grey.size,
            np.bincount(grey[frame] >> 4, minlength=16) / frame.sum(),
            cells[outer],
            [_detail(image, scale) for scale in _SCALES],
        ]
    )


def _detail(image: Image.Image, scale: int) -> float:
    grey = np.asarray(image.reduce(scale)) / 255
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.log(np.std(4 * middle - around) + _LEAST_DETAIL))


def _shape(mask: NDArray[np.bool_]) -> Floats:
    if not mask.any():
        return np.zeros(8)
    height, width = mask.shape
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, right = xs[0] / width, (xs[-1] + 1) / width
    top, bottom = ys[0] / height, (ys[-1] + 1) / height
    area = mask.mean()
    box = (right - left) * (bottom - top)
    return np.array(
        [
            area,
            left,
            top,
            right,
            bottom,
            (right - left) / (bottom - top),
            area / box,
            mask[:, : width // 2].sum() / mask.sum(),
        ]
    )
