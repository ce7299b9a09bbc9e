"""How many images may be in memory at the same time, by the memory limit of the container."""

from service.imaging.raster import BYTES_A_PIXEL
from service.settings import Settings

# the process itself when it is ready, ONNX Runtime and the model included (`make bench-memory`)
_OWN_BYTES = 165 * 2**20


def most_workers(settings: Settings, limit: int | None) -> int:
    """How many workers are started: those of the settings, as far as there is memory for them.

    The kernel kills a process that exceeds the limit, and with it every request. So each worker
    has room for an image of the largest size, and all uploads have theirs.

    Args:
        settings: how many are wanted, how large an image and all uploads may be.
        limit: of the control group in bytes; None where there is none.

    Returns:
        At least 1.
    """
    if limit is None:
        return settings.workers
    return max(1, min(settings.workers, _room(settings, limit)))


def has_no_room(settings: Settings, limit: int) -> bool:
    """Whether not even one worker has room for an image of the largest size."""
    return _room(settings, limit) < 1


def bytes_a_worker(settings: Settings) -> int:
    """The most memory that one image takes, in bytes."""
    return int(settings.max_pixels * BYTES_A_PIXEL)


def _room(settings: Settings, limit: int) -> int:
    """For how many workers there is memory; below 1 where there is none for one."""
    return (limit - _OWN_BYTES - settings.max_upload_memory) // bytes_a_worker(settings)
