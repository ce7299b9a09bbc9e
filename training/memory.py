"""Keep the memory that training frees, instead of giving it back to the system at every step."""

from service.process.heap import ARENA_MAX, MMAP_MAX, TOP_PAD, TRIM_THRESHOLD, tune_heap

_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Make glibc's malloc serve large blocks from one growing heap that never shrinks.

    TensorFlow allocates the result of every operation anew. Blocks of many megabytes would each be
    mapped, filled with zeros by the system page by page, and unmapped again, which takes longer
    than the arithmetic of a small network. Call it before TensorFlow starts its threads.

    Returns:
        Whether it took effect; see :mod:`service.process.heap`.
    """
    return tune_heap({ARENA_MAX: 1, MMAP_MAX: 0, TRIM_THRESHOLD: _LARGEST, TOP_PAD: 256 * 2**20})
