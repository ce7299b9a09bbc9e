"""How many out-of-distribution images a model refuses."""

import json
from pathlib import Path

from scipy.stats import binomtest

from service.errors import NotAChestXray, PneumoniaError
from service.inference.model import OnnxModel
from service.inference.operating_point import Rate
from service.inference.predictor import Predictor
from training.data import DataError

OUT_OF_DISTRIBUTION_FILE = "out_of_distribution.json"


def score_out_of_distribution(file: Path, folder: Path, out: Path) -> tuple[Rate, list[str]]:
    """Predict every image of a folder, none of which is a chest X-ray.

    Args:
        file: an ``.onnx`` model with an input check.
        folder: of images, searched with its subfolders.
        out: where ``out_of_distribution.json`` goes.

    Returns:
        The share that is refused of the files that can be decoded, with the exact 95 % interval
        (Clopper and Pearson 1934); and the files that cannot be decoded, each with the reason.

    Raises:
        DataError: the model has no input check, or no image of the folder can be decoded.
        ModelFileError: the model cannot be used.
    """
    predictor = Predictor(OnnxModel(file), refuse=False)
    limit = predictor.model.contract.input_check_limit
    if limit is None:
        raise DataError(f"{file} has no input check, so it refuses nothing.")
    images = refused = 0
    distances: list[float] = []
    skipped: list[str] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            check = predictor.predict(path.read_bytes()).input_check
        except NotAChestXray:  # refused before the model: too small, or by its DICOM header
            images, refused = images + 1, refused + 1
        except PneumoniaError as error:
            skipped.append(f"{path.name}: {error.detail}")
        else:
            images, refused = images + 1, refused + (not check.accepted)
            distances.append((check.distance or 0.0) / limit)
    if not images:
        raise DataError(f"{folder} holds no image that can be decoded.")
    bounds = binomtest(refused, images).proportion_ci()
    rate = Rate(value=refused / images, low=float(bounds.low), high=float(bounds.high))
    report = {
        "source": folder.name,
        "images": images,
        "refused": rate.model_dump(),
        "nearest_of_limit": min(distances, default=None),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / OUT_OF_DISTRIBUTION_FILE).write_text(json.dumps(report, indent=2) + "\n")
    return rate, skipped
