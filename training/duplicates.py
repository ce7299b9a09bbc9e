"""Copies among images: the same pixels, or nearly the same image."""

import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.radiograph import Pixels

# Correlation of two images reduced to this side. Among the published X-rays of children those of
# two different images stay below 0.98; that of one resized and saved anew stays above 0.999.
SIDE = 32
NEAR = 0.99
_BLOCK = 1024


def exact_copies(images: Pixels) -> NDArray[np.int64]:
    """Which image each one is, int ``[N]``: equal numbers for equal pixels."""
    hashes = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    return np.unique(hashes, return_inverse=True)[1].astype(np.int64)


def near_copies(images: Pixels, least: float = NEAR) -> NDArray[np.int64]:
    """Pairs of images that show nearly the same image, exact copies not among them.

    Args:
        images: uint8 ``[N, h, w, 1]``.
        least: the smallest correlation of two reduced images that counts.

    Returns:
        Indices, int ``[M, 2]``, the smaller first.
    """
    small = [
        np.asarray(Image.fromarray(image[..., 0]).resize((SIDE, SIDE), Image.Resampling.BOX))
        for image in images
    ]
    rows = np.stack(small).reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.where(lengths > 0, rows / np.maximum(lengths, 1e-6), 0)
    same = exact_copies(images)
    found = []
    for start in range(0, len(rows), _BLOCK):
        first, second = np.nonzero(rows[start : start + _BLOCK] @ rows.T >= least)
        first += start
        kept = (first < second) & (same[first] != same[second])
        found.append(np.stack([first[kept], second[kept]], axis=1))
    return np.concatenate(found)
