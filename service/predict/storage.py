"""Files on disks and in object stores, by their path or URL."""

import glob
import os
import posixpath
from collections.abc import Iterable, Iterator
from errno import EIO, ENOENT
from functools import cache
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from fsspec.implementations.arrow import ArrowFSWrapper

from service.errors import InvalidRequest
from service.predict.inputs import STDIN, find_jobs

MANIFEST = ".parquet"
_COLUMN = "path"


def find_files(words: Iterable[str]) -> Iterator[str]:
    """All images that the words name, one after the other.

    Args:
        words: what :func:`service.predict.inputs.find_jobs` takes but for ``-``; URLs of files,
            folders (every file below, but hidden ones) and patterns; and manifests, which are
            Parquet files, at a path or URL, whose column ``path`` holds paths, relative to the
            manifest, and URLs of images.

    Raises:
        InvalidRequest: a manifest or a URL cannot be read, or a word is ``-``.
    """
    for word in words:
        if word == STDIN:
            raise InvalidRequest("Standard input (-) is for the local engine; name files here.")
        if word.endswith(MANIFEST):
            yield from _in_manifest(word)
        elif "://" in word:
            yield from _at_url(word)
        else:
            yield from (job.file for job in find_jobs([word]))


def load(file: str, most: int) -> bytes:
    """The first bytes of a file.

    Args:
        file: path or URL.
        most: how many bytes.

    Raises:
        OSError: it cannot be read.
    """
    if "://" not in file:
        with open(file, "rb") as stream:  # noqa: PTH123 - a path may be no valid one
            return stream.read(most)
    system, path = file_system(file)
    try:
        with system.open(path, "rb") as stream:
            return bytes(stream.read(most))
    except FileNotFoundError as error:
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT)) from error
    except Exception as error:  # each store has errors of its own, some with the URL in them
        raise OSError(EIO, f"the store answered {type(error).__name__}") from error


def file_system(place: str) -> tuple[Any, str]:
    """What reads and writes there, with fsspec's interface, and the path in it.

    fsspec's own packages come first (``pip install s3fs``, say); where none is installed, what
    Arrow has built in does: ``s3://``, ``gs://``, ``hdfs://``.

    Raises:
        InvalidRequest: nothing that is installed knows the URL's scheme, or it is wrong.
    """
    try:
        try:
            system, path = fsspec.core.url_to_fs(place)
        except ImportError:
            scheme, _, rest = place.partition("://")
            host, _, below = rest.partition("/")
            system, root = _built_in(f"{scheme}://{host}/")
            path = posixpath.join(root, below)
    except (ImportError, ValueError, OSError) as error:  # Arrow's errors are of these kinds
        scheme = place.partition("://")[0]
        raise InvalidRequest(
            f"{scheme}:// cannot be used here: {error}. Install fsspec's package for it."
        ) from error
    return system, path


@cache
def _built_in(root: str) -> tuple[Any, str]:
    """Arrow's own file system, with fsspec's interface; one for all files of a bucket."""
    system, path = pyarrow.fs.FileSystem.from_uri(root)
    return ArrowFSWrapper(system), path


def _at_url(url: str) -> Iterator[str]:
    system, path = file_system(url)
    try:
        if glob.has_magic(path):
            found = sorted(system.glob(path))
        elif system.isdir(path):
            found = sorted(system.find(path))
        else:
            yield url  # if it is not there, its answer says so
            return
    except Exception as error:  # each store has errors of its own
        raise InvalidRequest(f"{url} cannot be listed: {type(error).__name__}.") from error
    scheme = url.partition("://")[0]
    for name in found:
        if not name.rpartition("/")[2].startswith("."):
            yield name if "://" in name else f"{scheme}://{name}"


def _in_manifest(word: str) -> Iterator[str]:
    system, path = file_system(word)
    try:
        with pq.ParquetFile(path, filesystem=system) as manifest:
            for batch in manifest.iter_batches(columns=[_COLUMN]):
                for name in batch.column(_COLUMN).cast(pa.string()).to_pylist():
                    yield name if "://" in name else posixpath.join(posixpath.dirname(word), name)
    except FileNotFoundError:
        raise InvalidRequest(f"There is no manifest {word}.") from None
    except (KeyError, OSError, TypeError, pa.ArrowException) as error:
        raise InvalidRequest(
            f"{word} is not a manifest: it must be a Parquet file with the paths or URLs of images "
            f"in its column {_COLUMN} ({error})."
        ) from error
