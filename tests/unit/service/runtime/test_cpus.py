"""How many cores a process may use."""

import os

import pytest

from service.runtime import cpus
from service.runtime.cpus import busy_threads, usable_cores


@pytest.mark.parametrize(
    ("affinity", "quota", "usable", "threads"),
    [
        (8, None, 8, 9),
        (8, 1.5, 1, 1),
        (8, 0.5, 1, 1),
        (8, 3.0, 3, 3),
        (2, 16.0, 2, 3),
        (1, None, 1, 1),
    ],
)
def test_the_smaller_of_affinity_and_quota(
    monkeypatch: pytest.MonkeyPatch,
    affinity: int,
    quota: float | None,
    usable: int,
    threads: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    monkeypatch.setattr(cpus, "cpu_quota", lambda: quota)
    assert usable_cores() == usable
    assert busy_threads() == threads
