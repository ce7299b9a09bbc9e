"""What processes use of the machine, read from `/proc`; Linux only."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT = 1  # fields of /proc/PID/stat, counted after the name, which may hold spaces
_USER_TICKS = 11
_SYSTEM_TICKS = 12


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            fields = _stat(int(folder.name))
            if fields:
                children.setdefault(int(fields[_PARENT]), []).append(int(folder.name))
    found = [pid]
    for process in found:  # grows as it goes
        found += children.get(process, [])
    return found


def cpu_seconds(pid: int) -> float:
    """What a process and its descendants that still run have used of the cores so far."""
    ticks = 0
    for process in tree(pid):
        fields = _stat(process)
        if fields:
            ticks += int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    return ticks / _TICKS


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process and its descendants, in megabytes (10^6).

    Pages that several of them share count for each in part (the proportional set size).
    """
    kilobytes = 0
    for process in tree(pid):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1024 / 1e6


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
