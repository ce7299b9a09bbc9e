"""From a file to what the model sees, or to the record that says why not."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, TypeVar

from service.errors import NotAChestXray, PneumoniaError, TooLarge
from service.imaging.reader import ReadImage
from service.predict.inputs import STDIN

Record: TypeAlias = dict[str, Any]
T = TypeVar("T")


class UnreadableFile(PneumoniaError):
    """A file that is not there, is a folder, or may not be read."""

    code: ClassVar[str] = "unreadable_file"


def fetch(file: str, load: Callable[[int], bytes], most: int) -> bytes | Record:
    """The bytes of a file, or why there are none.

    Args:
        file: what it is called in the output.
        load: gives its first bytes, as many as it is told.
        most: bytes that a file may have.
    """
    return or_problem(file, lambda: _limited(load, most))


def read_image(
    file: str, data: bytes | Record, read: Callable[[bytes], ReadImage]
) -> ReadImage | Record:
    """What :func:`fetch` gave as the model sees it, or why it cannot be."""
    if isinstance(data, dict):
        return data
    return or_problem(file, lambda: read(data))


def load_file(file: str, most: int) -> bytes:
    """The first ``most`` bytes of a file, or of standard input."""
    if file == STDIN:
        return sys.stdin.buffer.read(most)
    with Path(file).open("rb") as stream:
        return stream.read(most)


def or_problem(file: str, work: Callable[[], T]) -> T | Record:
    """What the work gives, or the record that says why it failed: a file spoils no other."""
    try:
        return work()
    except PneumoniaError as error:
        return problem(file, error.code, error.detail, error)
    except MemoryError:
        return problem(file, "out_of_memory", "There is not enough memory for this image.")
    except Exception as error:  # noqa: BLE001 - whatever it does
        detail = f"Something went wrong in this program ({type(error).__name__})."
        return problem(file, "internal", detail)


def problem(file: str, code: str, detail: str, error: PneumoniaError | None = None) -> Record:
    """The record of a file that is not answered."""
    record: Record = {"file": file, "code": code, "detail": detail}
    if isinstance(error, NotAChestXray):
        record["distance"] = error.distance
        record["limit"] = error.limit
        record["suspected_cause"] = error.suspected_cause
    return {**record, "warnings": []}


def _limited(load: Callable[[int], bytes], most: int) -> bytes:
    """The whole file, and not more than is allowed."""
    try:
        data = load(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is not a valid path"
        raise UnreadableFile(f"The file cannot be read: {reason}.") from error
    if len(data) > most:
        raise TooLarge(f"The file has more than {most} bytes. Raise PNEUMONIA_MAX_BYTES for it.")
    return data
