"""The short form of `make fuzz`."""

from pathlib import Path

import pytest

from benchmarks import fuzz


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_mutated_files_are_answered_or_refused(name: str, tmp_path: Path) -> None:
    words = ["--formats", name, "--inputs", "400", "--seed", "1000000", "--out", str(tmp_path)]
    assert fuzz.main(words) == 0
