"""Freed memory that is kept, seen from outside: by the page faults that filling it anew costs."""

import platform
import subprocess
import sys

import pytest

_FILL = """
import resource
from training.memory import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
size = 64 * 2**20
bytearray(size)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    bytearray(b"x") * size
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(keep: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _FILL.format(keep=keep)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the switch")
def test_large_blocks_are_used_again() -> None:
    assert _faults(keep=True) < _faults(keep=False) / 4
