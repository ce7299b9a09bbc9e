"""Keep the memory that training frees, instead of giving it back to the system at every step."""

import ctypes
import platform

# <malloc.h> of glibc
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_OPTIONS = {_ARENA_MAX: 1, _MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 256 * 2**20}


def keep_freed_memory() -> bool:
    """Make glibc's malloc serve large blocks from one growing heap that never shrinks (mallopt(3)).

    TensorFlow allocates the result of every operation anew. Blocks of many megabytes would each be
    mapped, filled with zeros by the system page by page, and unmapped again, which takes longer
    than the arithmetic of a small network. Call it before TensorFlow starts its threads.

    Returns:
        Whether it took effect; other C libraries have no such options.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    set_options = [mallopt(option, value) for option, value in _OPTIONS.items()]
    return all(set_options)
