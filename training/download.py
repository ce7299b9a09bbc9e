"""Fetch the published X-rays of children: 5,856 images, 1.2 GB, CC BY 4.0.

Kermany, Zhang, Goldbaum 2018, doi 10.17632/rscbjbr9sj.2.
"""

import shutil
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from training.samples import DataError

KAGGLE = "paultimothymooney/chest-xray-pneumonia"
MENDELEY = (
    "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
    "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded"
)
_PAGES = {
    "kaggle": f"https://www.kaggle.com/datasets/{KAGGLE}",
    "mendeley": "https://data.mendeley.com/datasets/rscbjbr9sj/2",
}
_TIMEOUT_SECONDS = 60


def download(place: str, folder: Path) -> Path:
    """Fetch the images and unpack them.

    Args:
        place: ``kaggle`` or ``mendeley``.
        folder: where they go; it gets a folder ``chest_xray``.

    Raises:
        DataError: the folder is there already, or the place cannot be reached.
    """
    out = folder / "chest_xray"
    if out.exists():
        raise DataError(f"{out} is there already; delete it, or name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _FROM[place](out)
    except Exception as error:
        shutil.rmtree(out, ignore_errors=True)
        # kagglehub and the libraries below it raise errors of many classes without a network
        raise DataError(
            f"The images could not be fetched from {place} ({type(error).__name__}). Without a way "
            f"to the internet, fetch them elsewhere from {_PAGES[place]} and unpack them here."
        ) from error
    return out


def _from_kaggle(out: Path) -> None:
    import kagglehub

    shutil.copytree(kagglehub.dataset_download(KAGGLE), out)


def _from_mendeley(out: Path) -> None:
    archive = out.with_suffix(".zip")
    try:
        with (
            urllib.request.urlopen(MENDELEY, timeout=_TIMEOUT_SECONDS) as answer,
            archive.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(out)
    finally:
        archive.unlink(missing_ok=True)


_FROM: dict[str, Callable[[Path], None]] = {"kaggle": _from_kaggle, "mendeley": _from_mendeley}
