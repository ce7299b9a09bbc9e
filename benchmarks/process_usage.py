"""What a process holds while it works, and whether it gave it back; Linux only."""

from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.processes import resident_megabytes

# connections that are closing, and a file that happens to be open
_LOOSE_FILES = 3


@dataclass(frozen=True)
class ProcessUsage:
    """A moment.

    Attributes:
        megabytes: resident memory, 10^6 bytes.
        files: open file descriptors, sockets among them.
        threads: of the process itself.
    """

    megabytes: float
    files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "ProcessUsage":
        """What a process holds now."""
        folder = Path("/proc") / str(pid)
        return cls(
            round(resident_megabytes(pid), 1),
            len(list((folder / "fd").iterdir())),
            len(list((folder / "task").iterdir())),
        )

    def kept_since(self, before: "ProcessUsage", megabytes: float, threads: int = 0) -> list[str]:
        """What was not given back, in words.

        Args:
            before: an earlier moment.
            megabytes: memory that may have been added.
            threads: that may have been added: the service starts its workers with their first work.
        """
        found = []
        if self.files > before.files + _LOOSE_FILES:
            found.append(f"{self.files - before.files} file descriptors")
        if self.threads > before.threads + threads:
            found.append(f"{self.threads - before.threads} threads")
        if self.megabytes > before.megabytes + megabytes:
            found.append(f"{self.megabytes - before.megabytes:.0f} MB")
        return found

    def figures(self) -> dict[str, float]:
        """As a part of a report."""
        return asdict(self)
