"""How many cores there really are, how many threads keep them at work, and which come first."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

# nice(1) steps; each leaves a thread about four fifths of its share against the others
_NICER = 10

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """How many cores this process may really use, at least 1.

    ``os.cpu_count`` and ONNX Runtime's own default see the whole machine; affinity and the
    container's CPU quota are what it is given. A quota of 1.5 cores counts as one: two busy threads
    would be throttled in turn.
    """
    cores, quota = _cores(), cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))


def busy_threads() -> int:
    """How many threads of work keep the usable cores busy, at least 1.

    Several threads wait for the interpreter's lock now and then, with their cores idle unless one
    more is there to go on. A single core has the lock's holder to run meanwhile; and under a quota
    one more thread would be throttled with the rest.
    """
    usable = usable_cores()
    return usable + 1 if usable == _cores() > 1 else usable


def lower_thread_priority() -> None:
    """Leave the core to other threads that want it, nearly; only Linux can do so for one thread.

    In a flood the event loop has much to refuse and to answer, and shall not queue for a core with
    the threads that work (`make overload`: how long a probe waits).
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):  # a sandbox may forbid it; the work is done all the same
            own = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, own + _NICER)


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1


def cpu_quota(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> float | None:
    """The smallest CPU quota, in cores, among the control groups this process is in.

    Version 2 states it in ``cpu.max``, version 1 in ``cpu.cfs_quota_us`` and
    ``cpu.cfs_period_us``; https://docs.kernel.org/admin-guide/cgroup-v2.html.

    Args:
        cgroups: where the control groups are mounted.
        membership: the file that says which of them are this process's.

    Returns:
        None where there is no quota.
    """
    quotas = [quota for group in _groups(cgroups, membership) for quota in _quota(group)]
    return min(quotas, default=None)


def _groups(cgroups: Path, membership: Path) -> Iterator[Path]:
    """The folders of this process's control groups, and of all above them, whose quotas bind too.

    A container sees its own group as the root, whatever the membership says.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
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
