"""What a service uses, all its processes together: by the system's account, and by its own."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

import psutil
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.process import ServiceProcess

# connections that are closing, and the pipes of the processes that DICOM files are read in
_LOOSE_FILES = 12


def _total(pid: int, of: Callable[[psutil.Process], float]) -> float:
    """The sum of a figure over a process and all that descend from it and still run."""
    total = 0.0
    process = psutil.Process(pid)
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += of(one)
    return total


def cpu_seconds(pid: int) -> float:
    """What a process and its descendants have used of the cores so far."""
    return _total(pid, lambda one: sum(one.cpu_times()[:2]))


def memory_megabytes(pid: int) -> float:
    """Memory of a process and its descendants, 10^6 bytes; pages they share count once (PSS)."""
    return _total(pid, lambda one: one.memory_full_info().pss) / 1e6


@dataclass(frozen=True)
class Usage:
    """A moment.

    Attributes:
        megabytes: of all processes, see :func:`memory_megabytes`.
        files: open file descriptors of the first process, sockets among them.
        threads: of the first process.
    """

    megabytes: float
    files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """What a service holds now."""
        process = psutil.Process(pid)
        return cls(round(memory_megabytes(pid), 1), process.num_fds(), process.num_threads())

    def kept_since(self, before: "Usage", megabytes: float, threads: int = 0) -> list[str]:
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


def scrape(service: ServiceProcess) -> list[Sample]:
    """Every sample of ``GET /metrics``."""
    families = text_string_to_metric_families(service.get("/metrics").text)
    return [sample for family in families for sample in family.samples]


def answers(service: ServiceProcess) -> Counter[str]:
    """Status -> answers so far, by the service's own count."""
    found: Counter[str] = Counter()
    for sample in scrape(service):
        if sample.name == "pneumonia_requests_total" and sample.value:
            found[sample.labels["status"]] += int(sample.value)
    return found


def stage_seconds(service: ServiceProcess) -> dict[str, tuple[float, float]]:
    """Stage -> seconds spent in it so far and how many times."""
    found = {
        (sample.name.rpartition("_")[2], sample.labels["stage"]): sample.value
        for sample in scrape(service)
        if sample.name.startswith("pneumonia_stage_seconds_")
    }
    return {
        stage: (found["sum", stage], count)
        for (kind, stage), count in found.items()
        if kind == "count"
    }
