"""What glibc's malloc can be told; other C libraries have no such switches and stay as they are."""

import ctypes
import os
from collections.abc import Mapping

# <malloc.h> of glibc
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8


def tune_heap(options: Mapping[int, int]) -> bool:
    """Set options of malloc (mallopt(3)), before threads start.

    Returns:
        Whether all took effect.
    """
    if os.name == "nt":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    done = [mallopt(option, value) for option, value in options.items()]
    return all(done)


def share_one_heap() -> bool:
    """Let all threads allocate from one heap.

    By default each gets a heap of its own, and each keeps the pixels of the largest image it read,
    though few threads hold pixels at the same time.

    Returns:
        Whether it took effect.
    """
    return tune_heap({ARENA_MAX: 1})
