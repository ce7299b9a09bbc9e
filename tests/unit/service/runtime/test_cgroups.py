"""What the control groups of a process leave it."""

from pathlib import Path

import pytest

from service.runtime.cgroups import cpu_quota, memory_limit


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


GIGABYTE = str(2**30)


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/", {"memory.max": GIGABYTE}, 2**30),
        ("0::/", {"memory.max": "max"}, None),
        ("0::/", {}, None),
        ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": GIGABYTE}, 2**30),
        ("0::/docker/1f", {"memory.max": GIGABYTE}, 2**30),
        ("4:memory:/\n0::/", {"memory/memory.limit_in_bytes": GIGABYTE}, 2**30),
        ("4:memory:/", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        (
            "4:memory:/x/y\n3:cpu,cpuacct:/z",
            {
                "memory/x/y/memory.limit_in_bytes": "9223372036854771712",
                "memory/x/memory.limit_in_bytes": GIGABYTE,
                "cpu,cpuacct/z/memory.limit_in_bytes": "1",
            },
            2**30,
        ),
    ],
)
def test_memory(tmp_path: Path, membership: str, files: dict[str, str], limit: int | None) -> None:
    write(tmp_path / "fs", files)
    write(tmp_path, {"cgroup": membership})
    assert memory_limit(tmp_path / "fs", tmp_path / "cgroup") == limit


def test_no_control_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "none") is None
    assert memory_limit(tmp_path, tmp_path / "none") is None
