"""The DICOM files that the packages pydicom and pydicom-data ship for testing toolkits."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("pydicom", "data_store")  # what the package pydicom-data installs
_NO_IMAGES = frozenset({".py", ".pyc", ".json"})


@cache
def real_files() -> dict[str, Path]:
    """All files of both packages' data folders by ``package/path``, also those that are no DICOM.

    Raises:
        ModuleNotFoundError: the development requirements are not installed.
    """
    files = {}
    for package in _PACKAGES:
        folder = _folder(package)
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in _NO_IMAGES:
                name = "pydicom" if package == "pydicom" else "pydicom-data"
                files[f"{name}/{path.relative_to(folder).as_posix()}"] = path
    return files


def real_file(name: str) -> bytes:
    """The bytes of the one file whose path ends in ``name``."""
    (path,) = (path for key, path in real_files().items() if key.endswith(f"/{name}"))
    return path.read_bytes()


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is missing: install requirements/development.txt")
    return Path(spec.submodule_search_locations[0]) / "data"
