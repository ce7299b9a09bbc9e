"""Keep the memory that training frees, instead of giving it back to the system at every step."""

import ctypes

# <malloc.h> of glibc
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Make glibc's malloc serve large blocks from one growing heap that never shrinks.

    TensorFlow allocates the result of every operation anew. Blocks of many megabytes would each be
    mapped, filled with zeros by the system page by page, and unmapped again, which takes longer
    than the arithmetic of a small network. Call it before TensorFlow starts its threads.

    Returns:
        Whether it took effect; other C libraries have no such switch and train as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(
        mallopt(option, value)
        for option, value in (
            (_M_ARENA_MAX, 1),
            (_M_MMAP_MAX, 0),
            (_M_TRIM_THRESHOLD, _LARGEST),
            (_M_TOP_PAD, 256 * 2**20),
        )
    )
