"""Shortcuts and faithfulness: whether a model scores the lungs, and where its evidence map says.

The shortcut audit hides parts of every image. With the lungs hidden, an AUROC far above one half
means that the model also uses other parts; with the borders hidden (where markers, collars and the
frame are) little should change.

The faithfulness of the evidence map is measured by deletion and insertion (Petsiuk et al. 2018,
arXiv:1806.07421): parts of the image are blurred away, or brought back into a blurred image, in the
order of their evidence. If the map is faithful, the probability falls, or comes back, sooner than
in a random order.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from service.imaging.radiograph import Pixels
from service.inference.evidence import pneumonia_evidence
from service.inference.model import OnnxModel
from service.inference.operating_point import Rate
from service.inference.suspected_cause import find_suspected_cause
from training.data import DataError, Dataset, model_inputs
from training.metrics import auroc, interval

AUDIT_FILE = "audit.json"

# parts of height and width: top, bottom, left, right
_LUNGS = (0.1, 0.85, 0.08, 0.92)
_FRAME = 0.12
_SHARES = (0.1, 0.2, 0.4, 0.6, 0.8)  # of the places, changed step by step
_EXPLAINED = 150
_BATCH = 32
_BLUR = 0.12  # of the side: nothing of a lung's texture is left

Floats = NDArray[np.float64]


def audit(file: Path, data: Dataset, folder: Path) -> dict[str, Rate]:
    """Hide parts of labelled images from an ``.onnx`` model and write ``audit.json``.

    Args:
        file: the model; a refusal by its input check is ignored here.
        data: labelled images.
        folder: where the report goes.

    Returns:
        ``auroc_whole``, ``auroc_lungs_hidden``, ``auroc_borders_hidden``; for a model with an
        evidence map also, over images of pneumonia, the mean probability over all steps of
        ``deletion`` (the lower, the better) and ``insertion`` (the higher, the better), each
        ``_by_evidence`` and ``_at_random``; for a model with an input check the shares of inverted
        images that are ``inverted_refused``, and ``inverted_named`` as such too. All with
        95 % intervals by bootstrap over patients.

    Raises:
        DataError: not both classes are there.
        ModelFileError: the model cannot be used.
    """
    y_true = data.is_pneumonia
    if y_true.all() or not y_true.any():
        raise DataError("An audit needs images of both classes.")
    model = OnnxModel(file)
    images = model_inputs(data.images, model.contract.input.height)
    figures: dict[str, Rate] = {}
    for name, changed in _with_parts_hidden(images).items():
        score = _probability(model, changed)

        def figure(rows: NDArray[np.int64], score: Floats = score) -> float:
            return auroc(y_true[rows], score[rows])

        figures[f"auroc_{name}"] = interval(figure, data.groups)
    if model.has_evidence:
        chosen = np.flatnonzero(y_true)[:: max(1, int(y_true.sum()) // _EXPLAINED)]
        for name, means in _deletion_and_insertion(model, images[chosen]).items():
            figures[name] = _mean(means, data.groups[chosen])
    limit = model.contract.input_check_limit
    if limit is not None:
        chosen = np.arange(len(data))[:: max(1, len(data) // _EXPLAINED)]
        for name, counted in _inverted(model, images[chosen], limit).items():
            figures[name] = _mean(counted, data.groups[chosen])
    folder.mkdir(parents=True, exist_ok=True)
    report = {
        "images": len(data),
        "figures": {name: rate.model_dump() for name, rate in figures.items()},
    }
    (folder / AUDIT_FILE).write_text(json.dumps(report, indent=2) + "\n")
    return figures


def _mean(values: Floats, patients: NDArray[np.int64]) -> Rate:
    return interval(lambda rows: float(values[rows].mean()), patients)


def _with_parts_hidden(images: Pixels) -> dict[str, Pixels]:
    height, width = images.shape[1:3]
    top, bottom = round(_LUNGS[0] * height), round(_LUNGS[1] * height)
    left, right = round(_LUNGS[2] * width), round(_LUNGS[3] * width)
    lungs = images.copy()
    lungs[:, top:bottom, left:right] = 0
    y, x = round(_FRAME * height), round(_FRAME * width)
    borders = np.zeros_like(images)
    borders[:, y:-y, x:-x] = images[:, y:-y, x:-x]
    return {"whole": images, "lungs_hidden": lungs, "borders_hidden": borders}


def _deletion_and_insertion(model: OnnxModel, images: Pixels) -> dict[str, Floats]:
    """Mean probability of each image over all steps, float64 ``[N]`` in 0..1."""
    blurred = np.stack([_blur(image) for image in images])
    maps = np.concatenate([model.run(image[np.newaxis]).evidence for image in images])
    evidence = pneumonia_evidence(model.contract, maps)
    orders = {"by_evidence": evidence, "at_random": _shuffled(evidence)}
    means: dict[str, Floats] = {}
    for order, values in orders.items():
        flat = values.reshape(len(values), -1)
        rank = (-flat).argsort(axis=1).argsort(axis=1).reshape(values.shape) / flat.shape[1]
        for method, first, then in (("deletion", images, blurred), ("insertion", blurred, images)):
            steps = [
                _probability(model, np.where(_enlarged(rank < share, images), then, first))
                for share in _SHARES
            ]
            means[f"{method}_{order}"] = np.mean(steps, axis=0)
    return means


def _inverted(model: OnnxModel, images: Pixels, limit: float) -> dict[str, Floats]:
    """For each image, inverted: 1 if it is refused, and if inversion is named as the cause."""
    refused, named = np.zeros(len(images)), np.zeros(len(images))
    for row, image in enumerate(255 - images):
        distance = model.run(image[np.newaxis]).distance
        if distance is not None and distance[0] > limit:
            refused[row] = 1
            named[row] = find_suspected_cause(model, image, limit) == "inverted"
    return {"inverted_refused": refused, "inverted_named": named}


def _shuffled(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = maps.reshape(len(maps), -1)
    return np.random.default_rng(0).permuted(flat, axis=1).reshape(maps.shape)


def _enlarged(places: NDArray[np.bool_], images: Pixels) -> NDArray[np.bool_]:
    """Places of the map, bool ``[N, h, w]``, as pixels of the images, ``[N, H, W, 1]``."""
    rows = np.arange(images.shape[1]) * places.shape[1] // images.shape[1]
    columns = np.arange(images.shape[2]) * places.shape[2] // images.shape[2]
    return places[:, rows][:, :, columns][..., np.newaxis]


def _blur(image: Pixels) -> Pixels:
    soft = ImageFilter.GaussianBlur(_BLUR * image.shape[0])
    return np.asarray(Image.fromarray(image[..., 0]).filter(soft))[..., np.newaxis]


def _probability(model: OnnxModel, images: Pixels) -> Floats:
    columns = list(model.contract.pneumonia_columns)
    parts = [
        model.run(images[start : start + _BATCH]).probabilities[:, columns].sum(axis=1)
        for start in range(0, len(images), _BATCH)
    ]
    return np.concatenate(parts).astype(np.float64)
