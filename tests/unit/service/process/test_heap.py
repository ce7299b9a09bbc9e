"""One heap for all threads, and what is given back of it, seen from outside."""

import platform
import subprocess
import sys

import pytest

_WHERE = """
import ctypes
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from service.process.heap import share_one_heap
if {told}:
    assert share_one_heap()

def is_shared():
    block = bytearray(50_000)
    place = ctypes.addressof(ctypes.c_char.from_buffer(block))
    maps = Path("/proc/self/maps").read_text().splitlines()
    heaps = [line.split()[0].split("-") for line in maps if line.endswith("[heap]")]
    return any(int(first, 16) <= place < int(last, 16) for first, last in heaps)

with ThreadPoolExecutor(1) as pool:
    print(pool.submit(is_shared).result())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the switch")
@pytest.mark.parametrize("told", [True, False])
def test_threads_share_the_heap_where_they_are_told_to(told: bool) -> None:
    words = [sys.executable, "-c", _WHERE.format(told=told)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(told)


_HOLES = """
from pathlib import Path
from service.process.heap import give_back_free_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

blocks = [bytearray(b"x") * 2**16 for _ in range(1000)]
del blocks[::2]
before = resident()
assert give_back_free_memory()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the switch")
def test_what_was_freed_between_blocks_in_use_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HOLES], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 500 * 12, "pages: nearly all of half of the blocks"
