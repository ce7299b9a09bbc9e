"""How many cores a process may use."""

import os
from pathlib import Path

import pytest

from service.runtime import cpus
from service.runtime.cpus import busy_threads, cpu_quota, usable_cores


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {}, None),
        # a process in a group below: the tightest of all above it binds
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        ("0::/a/b", {"a/b/cpu.max": "300000 100000", "cpu.max": "max 100000"}, 3.0),
        # a container: its own group is the root, but the membership names the host's path
        ("0::/docker/1f", {"cpu.max": "200000 100000"}, 2.0),
        (
            "1:cpu:/",
            {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (
            "4:memory:/x\n3:cpu,cpuacct:/pod\n0::/",
            {
                "cpu,cpuacct/pod/cpu.cfs_quota_us": "100000",
                "cpu,cpuacct/pod/cpu.cfs_period_us": "100000",
                "memory/x/cpu.max": "1 100000",
            },
            1.0,
        ),
    ],
)
def test_quota(tmp_path: Path, membership: str, files: dict[str, str], quota: float | None) -> None:
    write(tmp_path / "fs", files)
    write(tmp_path, {"cgroup": membership})
    assert cpu_quota(tmp_path / "fs", tmp_path / "cgroup") == quota


def test_no_control_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "none") is None


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
