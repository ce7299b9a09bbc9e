"""The short form of `make fuzz`."""

from pathlib import Path

import pytest

from benchmarks import fuzz, fuzz_api
from tests import needs


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_mutated_files_are_answered_or_refused(name: str, tmp_path: Path) -> None:
    words = ["--formats", name, "--inputs", "400", "--seed", "1000000", "--out", str(tmp_path)]
    assert fuzz.main(words) == 0


def test_requests_made_from_the_openapi_document_are_answered_as_it_says(
    tiny_model: Path, tmp_path: Path
) -> None:
    if not fuzz_api.SCHEMATHESIS.exists():
        needs.missing("needs schemathesis: use `make test`")
    words = ["--examples", "20", "--model", str(tiny_model), "--out", str(tmp_path)]
    assert fuzz_api.main(words) == 0
