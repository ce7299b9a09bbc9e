"""An audit that could not ask must not look like one that found nothing."""

import json
from typing import Any

import pytest

from benchmarks.audit import CLEAN, UNCHECKED, VULNERABLE, read, said

CHECKED = {"name": "numpy", "version": "2.0", "vulns": []}
SKIPPED = {"name": "pillow", "skip_reason": "not found"}
VULNERABLE_ONE = {"name": "lib", "version": "1.0", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]}


@pytest.mark.parametrize(
    ("dependencies", "status", "words"),
    [
        ([CHECKED], CLEAN, "1 packages checked"),
        ([CHECKED, SKIPPED], UNCHECKED, "1 packages could not be checked"),
        ([], UNCHECKED, "0 packages checked"),
        ([CHECKED, SKIPPED, VULNERABLE_ONE], VULNERABLE, "lib 1.0 has CVE-1, CVE-2"),
    ],
)
def test_answers(dependencies: list[dict[str, Any]], status: int, words: str) -> None:
    audit = read(json.dumps({"dependencies": dependencies, "fixes": []}), "")
    assert audit.status == status
    assert words in said(audit)


def test_no_answer() -> None:
    audit = read("", "Traceback\nConnectionError: no such host")
    assert audit.status == UNCHECKED
    assert said(audit) == "could not be checked: ConnectionError: no such host"
