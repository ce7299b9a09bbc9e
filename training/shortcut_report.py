"""How well a model that sees no anatomy tells the classes of a data set apart.

One sees tone, frame and sharpness of the image (:mod:`training.shortcuts`), one the same without
plain borders, as a network sees it, one only the file (size, bytes, format), one image and file.
Where there are lung masks, further ones see their place and shape. Each is fitted on some patients
and asked about others.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from service.imaging.preprocess import content_box
from service.inference.operating_point import Rate
from training.data import SIZE, DataError, Dataset, model_inputs
from training.metrics import auroc, interval
from training.shortcuts import (
    FOLDS,
    KEPT_BY_A_CROP,
    Booleans,
    Floats,
    Integers,
    contact_sheet,
    cross_fitted,
    features,
    mask_geometry,
)

REPORT_FILE = "shortcuts.json"
SHEETS = {"right": "right.png", "wrong": "wrong.png"}
_STRONG, _SOME = 0.9, 0.7
_SHOWN = 24  # images of each class on a sheet
_SUFFIXES = (".jpeg", ".jpg", ".png", ".dcm", ".tif", ".tiff", ".bmp", ".webp")


def look_for_shortcuts(
    data: Dataset, out: Path | None = None, masks: Path | None = None
) -> list[str]:
    """Measure it, and say what it means, line by line.

    Args:
        data: labelled images, of any parts.
        out: gets ``shortcuts.json`` and sheets of the images that the model of image and file gets
            confidently right and wrong; None to write nothing.
        masks: folder of lung masks, see :func:`training.lungs.find_masks`; None for none.

    Raises:
        DataError: a class has fewer than two patients, or no image has a mask in ``masks``.
    """
    positive = data.is_pneumonia
    whole, file = features(data.images), file_features(data)
    cut = model_inputs(data.images, SIZE)
    seen = {
        "image": whole,
        "image without plain borders": features(cut),
        "file": file,
        "image and file": np.hstack([whole, file]),
    }
    bordered = _with_borders(data)
    figures: dict[str, Rate] = {}
    for name, described in seen.items():
        probability, fold_of = _cross_fitted(described, positive, data.groups)
        figures[name] = _auroc(probability, fold_of, positive, data.groups)
    if masks is not None:
        figures |= _of_masks(data, masks)
    by_label = _by_label(data, seen["image and file"])
    if out is not None:
        _write(data, figures, by_label, bordered, probability, out)
    lines = [
        f"AUROC of disease ({data.labels.finding}) by a model that sees only the {name}: "
        f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"
        for name, rate in figures.items()
    ]
    lines += [f"  {label} against the rest: {rate.value:.3f}" for label, rate in by_label.items()]
    lines.append(
        "images with plain borders: "
        + ", ".join(f"{share:.0%} {side}" for side, share in bordered.items())
    )
    lines.append(_meaning(figures["image and file"]))
    if out is not None:
        names = " and ".join(f"{out / file}" for file in SHEETS.values())
        lines.append(f"The images it gets most confidently right and wrong are on {names}.")
    return lines


def file_features(data: Dataset) -> Floats:
    """What a file says without its pixels, float64 ``[N, 12]``.

    Logarithms of rows, columns, bytes and bytes a pixel, and which suffix the name has.
    """
    rows = []
    for sample in data.samples:
        height, width = sample.size or data.images.shape[1:3]
        size = sample.path.stat().st_size
        suffix = [sample.path.suffix.lower() == one for one in _SUFFIXES]
        rows.append([*np.log([height, width, size + 1, (size + 1) / (height * width)]), *suffix])
    return np.array(rows, np.float64)


def _with_borders(data: Dataset) -> dict[str, float]:
    """The share of the images that have plain borders, by side."""
    found = np.array(
        [
            content_box(Image.fromarray(image[..., 0])) != (0, 0, *image.shape[1::-1])
            for image in data.images
        ]
    )
    sides = {"with disease": data.is_pneumonia, "without": ~data.is_pneumonia}
    return {name: float(found[side].mean()) for name, side in sides.items()}


def _of_masks(data: Dataset, folder: Path) -> dict[str, Rate]:
    from training.lungs import find_masks  # imports TensorFlow

    rows, masks = find_masks(data, folder)
    positive, patients = data.is_pneumonia[rows], data.groups[rows]
    geometry = mask_geometry(masks)
    seen = {
        "place and shape of the lung masks": geometry,
        "shape of the lung masks in their box": geometry[:, KEPT_BY_A_CROP],
    }
    return {
        name: _auroc(*_cross_fitted(described, positive, patients), positive, patients)
        for name, described in seen.items()
    }


def _cross_fitted(
    described: Floats, positive: Booleans, patients: Integers
) -> tuple[Floats, Integers]:
    fewest = min(len(np.unique(patients[positive == side])) for side in (True, False))
    if fewest < 2:
        raise DataError("Looking for shortcuts needs two patients or more of each class.")
    return cross_fitted(described, positive, patients, folds=min(FOLDS, fewest))


def _auroc(probability: Floats, fold_of: Integers, positive: Booleans, patients: Integers) -> Rate:
    """Within the folds, each counting by its images; probabilities of two folds do not compare."""

    def figure(rows: Integers) -> float:
        values, weights = [], []
        for fold in np.unique(fold_of):
            part = rows[fold_of[rows] == fold]
            if len(np.unique(positive[part])) == 2:
                values.append(auroc(positive[part], probability[part]))
                weights.append(len(part))
        return float(np.average(values, weights=weights)) if values else float("nan")

    return interval(figure, patients, resamples=200)


def _by_label(data: Dataset, described: Floats) -> dict[str, Rate]:
    """Each label against the rest, where there are more than two."""
    if len(data.labels) == 2:
        return {}
    known = np.flatnonzero(data.has_subtype)
    found = {}
    for column, label in enumerate(data.labels.names):
        positive = data.targets[known, column] > 0.5
        fitted = _cross_fitted(described[known], positive, data.groups[known])
        found[label] = _auroc(*fitted, positive, data.groups[known])
    return found


def _meaning(rate: Rate) -> str:
    if rate.value >= _STRONG:
        return (
            "Without any anatomy the classes can nearly be told apart. A network trained on these "
            "images can do the same, and good figures on others of this collection prove little: "
            "mix sources within each class, and score it on images from elsewhere."
        )
    if rate.value >= _SOME:
        return (
            "Part of the label can be told without any anatomy. Look at the sheets for what "
            "differs between the classes, and score the network on images from elsewhere too."
        )
    return "Little of the label can be told without anatomy."


def _write(
    data: Dataset,
    figures: dict[str, Rate],
    by_label: dict[str, Rate],
    bordered: dict[str, float],
    probability: Floats,
    out: Path,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    report = {
        "images": len(data),
        "patients": len(np.unique(data.groups)),
        "finding": data.labels.finding,
        "auroc": {name: rate.model_dump() for name, rate in figures.items()},
        "auroc_by_label": {label: rate.model_dump() for label, rate in by_label.items()},
        "plain_borders": bordered,
    }
    (out / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n")
    of_its_label = np.where(data.is_pneumonia, probability, 1 - probability)
    order = np.argsort(of_its_label, kind="stable")
    for name, rows in (("right", order[::-1]), ("wrong", order)):
        shown: list[int] = []
        for side in (False, True):
            ours = rows[data.is_pneumonia[rows] == side]
            right = of_its_label[ours] >= 0.5
            shown += ours[right if name == "right" else ~right][:_SHOWN].tolist()
        if shown:
            Image.fromarray(contact_sheet(data.images, shown)).save(out / SHEETS[name])
