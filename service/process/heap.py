"""What glibc's malloc can be told; other C libraries have no such switches and stay as they are."""

import ctypes
import os
from collections.abc import Callable, Mapping

# <malloc.h> of glibc
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8


def tune_heap(options: Mapping[int, int]) -> bool:
    """Set options of malloc (mallopt(3)), before threads start.

    Returns:
        Whether all took effect.
    """
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    done = [mallopt(option, value) for option, value in options.items()]
    return all(done)


def share_one_heap() -> bool:
    """Let all threads allocate from one heap.

    By default each gets a heap of its own, and each keeps the pixels of the largest image it read,
    though few threads hold pixels at the same time. From which size on blocks are mapped is left to
    malloc, which learns it: a fixed one makes networks slow whose layers are larger.

    Returns:
        Whether it took effect.
    """
    return tune_heap({ARENA_MAX: 1})


def give_back_free_memory() -> bool:
    """Return what was freed between blocks still in use to the system (malloc_trim(3)).

    Returns:
        Whether anything was returned.
    """
    trim = _function("malloc_trim")
    return trim is not None and bool(trim(0))


def _function(name: str) -> Callable[..., int] | None:
    if os.name == "nt":
        return None
    return getattr(ctypes.CDLL(None), name, None)
