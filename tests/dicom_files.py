"""The DICOM files that the packages pydicom and pydicom-data ship for testing toolkits."""

import re
import struct
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

DEFLATED = "1.2.840.10008.1.2.1.99"

_PACKAGES = ("pydicom", "data_store")  # what the package pydicom-data installs
_MODALITY = re.compile(
    rb"(\x08\0\x60\0CS\x02\0|\x08\0\x60\0\x02\0\0\0|\0\x08\0\x60CS\0\x02)[A-Z]{2}"
)
_BODY_PART = re.compile(rb"\x18\0\x15\0(?=CS|.\0\0\0)|\0\x18\0\x15(?=CS)", re.DOTALL)
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


def as_radiograph(data: bytes) -> bytes:
    """The same file of modality CR and without its body part."""
    deflated = DEFLATED.encode() in data[:400]
    if deflated:
        start = 144 + struct.unpack_from("<I", data, 140)[0]
        head, data = data[:start], zlib.decompress(data[start:], -zlib.MAX_WBITS)
    data = _MODALITY.sub(rb"\1CR", data, count=1)
    data = _BODY_PART.sub(lambda match: match[0].replace(b"\x15", b"\x16"), data, count=1)
    if deflated:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = head + deflater.compress(data) + deflater.flush()
    return data


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is missing: install requirements/development.txt")
    return Path(spec.submodule_search_locations[0]) / "data"
