"""What can be told of an image without its anatomy."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from service.imaging.radiograph import Pixels
from training.shortcuts import (
    conflicting,
    contact_sheet,
    cross_fitted,
    device_clusters,
    features,
    mask_geometry,
)


def _images(bright: np.ndarray, seed: int = 0) -> Pixels:
    """Noise; on the second device the whole image is brighter."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(90, 12, (len(bright), 96, 96, 1))
    images: Pixels = np.clip(noise + 60 * bright[:, None, None, None], 0, 255).astype(np.uint8)
    return images


@pytest.fixture(scope="module")
def devices() -> np.ndarray:
    """Which of two devices made each of 120 images."""
    return np.random.default_rng(1).random(120) < 0.5


def test_a_device_that_tells_the_label_is_found_and_who_breaks_the_rule_conflicts(
    devices: np.ndarray,
) -> None:
    ill = devices.copy()
    ill[:6] = ~devices[:6]
    probability, fold = cross_fitted(features(_images(devices)), ill, np.arange(120))
    aurocs = [roc_auc_score(devices[fold == one], probability[fold == one]) for one in range(6)]
    assert np.mean(aurocs) > 0.95
    assert np.flatnonzero(conflicting(probability, ill)).tolist() == [0, 1, 2, 3, 4, 5]


def test_patients_cannot_be_recognised_again() -> None:
    """Each patient has four images alike and a label by lot: nothing carries over to others."""
    generator = np.random.default_rng(0)
    patients = np.repeat(np.arange(200), 4)
    described = np.repeat(generator.normal(size=(200, 40)), 4, axis=0)
    ill = np.repeat(generator.random(200) < 0.5, 4)
    probability, fold = cross_fitted(described, ill, patients)
    for patient in range(200):
        assert len(np.unique(fold[patients == patient])) == 1
    assert 0.25 < roc_auc_score(ill, probability) < 0.75


def test_where_things_lie_in_the_middle_of_the_chest_is_not_seen() -> None:
    images = _images(np.zeros(1, bool))
    other = images.copy()
    other[:, 24:72, 24:72] = images[:, 24:72, 24:72][:, ::-1, ::-1]
    assert features(images)[0, :156] == pytest.approx(features(other)[0, :156])
    other[:, :24] = images[:, :24][:, ::-1] // 2
    assert features(images)[0, :156] != pytest.approx(features(other)[0, :156])


def test_images_of_one_device_fall_into_one_cluster(devices: np.ndarray) -> None:
    clusters = device_clusters(features(_images(devices)), clusters=2)
    assert len(set(zip(devices.tolist(), clusters.tolist(), strict=True))) == 2


def test_the_shape_of_a_mask() -> None:
    masks = np.zeros((2, 10, 20), bool)
    masks[0, 2:6, 5:15] = True
    area, left, top, right, bottom, stretch, filled, leaning = mask_geometry(masks)[0]
    assert (area, left, top, right, bottom) == pytest.approx((0.2, 0.25, 0.2, 0.75, 0.6))
    assert (stretch, filled, leaning) == pytest.approx((1.25, 1, 0.5))
    assert not mask_geometry(masks)[1].any()


def test_a_contact_sheet_shows_the_images_in_order(devices: np.ndarray) -> None:
    sheet = contact_sheet(_images(devices), [3, 0, 7], columns=2, size=32)
    assert sheet.shape == (64, 64)
    bright = sheet.reshape(2, 32, 2, 32).mean(axis=(1, 3)).ravel() > 120
    assert bright[:3].tolist() == devices[[3, 0, 7]].tolist()
    assert not sheet[32:, 32:].any()
