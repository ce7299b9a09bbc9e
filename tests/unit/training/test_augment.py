"""Random variants of images."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from service.imaging.radiograph import Pixels
from tests.dataset import write_dataset
from training.augment import augment, batches, preview
from training.data import Dataset, find_samples, load, model_inputs
from training.recipe import Augmentation, Balance

STILL = Augmentation(
    area=(1, 1),
    aspect=(1, 1),
    rotation=0,
    flip=0,
    gamma=(1, 1),
    contrast=(1, 1),
    brightness=0,
    sharpness=(0, 0),
    noise=0,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder: Path = tmp_path_factory.mktemp("data")
    write_dataset(folder, patients=3)
    return load(find_samples(folder), quiet=True)


def _drawn(images: Pixels, ranges: Augmentation, seed: int = 0, size: int = 224) -> np.ndarray:
    return np.asarray(augment(tf.constant(images), size, ranges, tf.constant([seed, 0])))


def test_nothing_to_change_changes_nothing(data: Dataset) -> None:
    assert np.allclose(_drawn(data.images, STILL), data.images, atol=1e-3)


def test_a_flip_mirrors_left_and_right(data: Dataset) -> None:
    flipped = _drawn(data.images, Augmentation(**{**vars(STILL), "flip": 1.0}))
    assert np.allclose(flipped, data.images[:, :, ::-1], atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"area": (0.2, 0.5)},
        {"area": (1.3, 1.5)},
        {"aspect": (1.3, 1.4)},
        {"rotation": 15.0},
        {"gamma": (1.4, 1.5)},
        {"contrast": (0.5, 0.6)},
        {"brightness": 0.3},
        {"sharpness": (0.8, 1.0)},
        {"noise": 0.1},
    ],
)
def test_each_range_changes_images_within_bounds(
    data: Dataset, change: dict[str, float | tuple[float, float]]
) -> None:
    ranges = Augmentation(**{**vars(STILL), **change})
    drawn = _drawn(data.images, ranges, size=96)
    assert drawn.shape == (len(data), 96, 96, 1)
    assert drawn.min() >= 0
    assert drawn.max() <= 255
    assert np.abs(drawn - _drawn(data.images, STILL, size=96)).mean() > 1


def test_an_area_above_one_puts_the_whole_image_into_a_black_frame(data: Dataset) -> None:
    bright = np.full_like(data.images, 200)
    drawn = _drawn(bright, Augmentation(**{**vars(STILL), "area": (4.0, 4.0)}))
    assert [(image > 100).mean() for image in drawn] == pytest.approx([0.25] * len(drawn), abs=0.02)
    assert drawn.min() == 0


@pytest.mark.parametrize(("share", "fewest", "most"), [(0.0, 0, 0), (0.5, 40, 88), (1.0, 120, 128)])
def test_only_a_share_of_the_images_gets_another_texture(
    data: Dataset, share: float, fewest: int, most: int
) -> None:
    images = np.repeat(model_inputs(data.images[:1], 64), 128, axis=0)
    ranges = Augmentation(**{**vars(STILL), "noise": 0.1, "sharpness": (1, 1), "texture": share})
    changed = np.abs(_drawn(images, ranges, size=64) - images).mean(axis=(1, 2, 3)) > 0.1
    assert fewest <= changed.sum() <= most


def test_the_seed_decides(data: Dataset) -> None:
    ranges = Augmentation()
    assert np.array_equal(_drawn(data.images, ranges, 1), _drawn(data.images, ranges, 1))
    assert not np.allclose(_drawn(data.images, ranges, 1), _drawn(data.images, ranges, 2))


def test_an_epoch_holds_every_image_once_with_weights_that_balance_the_classes(
    data: Dataset,
) -> None:
    rows = [row for row in range(len(data)) if data.targets[row, 2] < 1 or row % 3 == 0]
    uneven = data.take(np.array(rows))
    epoch = list(batches(uneven, 64, 4, STILL, seed=0, epoch=0))
    targets = np.concatenate([batch[1] for batch in epoch])
    weights = np.concatenate([batch[2] for batch in epoch])
    assert targets.sum(axis=0).tolist() == uneven.targets.sum(axis=0).tolist()
    per_class = weights @ targets
    assert np.allclose(per_class, per_class[0])


def test_epochs_differ_and_repeat(data: Dataset) -> None:
    first, again, second = (
        np.concatenate([batch[0] for batch in batches(data, 32, 4, Augmentation(), 5, epoch)])
        for epoch in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, second)


def test_the_preview_shows_an_image_and_its_variants_in_a_row(data: Dataset) -> None:
    sheet = preview(data, Augmentation(), seed=0, rows=2, columns=3)
    assert sheet.shape == (2 * 112, 3 * 112)
    assert sheet.dtype == np.uint8


def test_classes_are_balanced_by_weights_by_sampling_or_not_at_all(data: Dataset) -> None:
    rows = np.flatnonzero(np.arange(len(data)) % 3 > 0)  # of other sizes than the other classes
    skewed = data.take(np.concatenate([rows, rows, np.flatnonzero(data.targets[:, 0] == 1)]))
    shares = {}
    # each image several times, so that what is drawn comes near to what is meant
    repeated = skewed.take(np.repeat(np.arange(len(skewed)), 1 + 600 // len(skewed)))
    shown: dict[Balance, Dataset] = {"loss": skewed, "sampling": repeated, "none": skewed}
    for balance, images in shown.items():
        drawn = [
            (targets.numpy(), weights.numpy())
            for _, targets, weights in batches(images, 32, 64, STILL, 0, 0, balance)
        ]
        targets, weights = (np.concatenate(part) for part in zip(*drawn, strict=True))
        shares[balance] = (targets * weights[:, np.newaxis]).sum(axis=0) / weights.sum()
        assert len(targets) == len(images)
    assert np.allclose(shares["loss"], 1 / 3, atol=1e-6)
    assert np.allclose(shares["sampling"], 1 / 3, atol=0.05)
    assert np.allclose(shares["none"], skewed.targets.mean(axis=0), atol=1e-6)
    assert not np.allclose(shares["none"], 1 / 3, atol=0.05)
