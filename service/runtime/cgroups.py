"""What the control groups of this process leave it: CPU time and memory.

Version 2 is described in https://docs.kernel.org/admin-guide/cgroup-v2.html, version 1 in
https://docs.kernel.org/admin-guide/cgroup-v1/index.html.
"""

from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")

# version 1 states the largest multiple of a page where there is no limit
_NO_LIMIT = 2**62


def cpu_quota(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> float | None:
    """The smallest CPU quota, in cores, among the control groups this process is in.

    Version 2 states it in ``cpu.max``, version 1 in ``cpu.cfs_quota_us`` and
    ``cpu.cfs_period_us``.

    Args:
        cgroups: where the control groups are mounted.
        membership: the file that says which of them are this process's.

    Returns:
        None where there is no quota.
    """
    quotas = [quota for group in _groups("cpu", cgroups, membership) for quota in _quota(group)]
    return min(quotas, default=None)


def memory_limit(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int | None:
    """The smallest memory limit, in bytes, among the control groups this process is in.

    Version 2 states it in ``memory.max``, version 1 in ``memory.limit_in_bytes``.

    Args:
        cgroups: where the control groups are mounted.
        membership: the file that says which of them are this process's.

    Returns:
        None where there is no limit.
    """
    limits = [limit for group in _groups("memory", cgroups, membership) for limit in _limit(group)]
    return min(limits, default=None)


def _groups(controller: str, cgroups: Path, membership: Path) -> Iterator[Path]:
    """The folders of this process's control groups, and of all above them, whose limits bind too.

    A container sees its own group as the root, whatever the membership says.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = cgroups / controllers
        group = mount / path.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(mount))


def _quota(group: Path) -> Iterator[float]:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
    except OSError:
        return
    if quota.strip() not in ("max", "-1"):
        yield int(quota) / int(period)


def _limit(group: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            limit = (group / name).read_text().strip()
        except OSError:
            continue
        if limit != "max" and int(limit) < _NO_LIMIT:
            yield int(limit)
