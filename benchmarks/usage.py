"""What a service uses, all its processes together: by the system's account, and by its own."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

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
        in_flight: requests being answered, without the one that asks for this figure.
        queued: images that wait for a worker.
    """

    megabytes: float
    files: int
    threads: int
    in_flight: int
    queued: int

    @classmethod
    def of(cls, service: ServiceProcess) -> "Usage":
        """What a service holds and does now."""
        process = psutil.Process(service.pid)
        found = {sample.name: sample.value for sample in _scrape(service)}
        return cls(
            round(memory_megabytes(service.pid), 1),
            process.num_fds(),
            process.num_threads(),
            int(found["pneumonia_requests_in_flight"]) - 1,
            int(found["pneumonia_queued_jobs"]),
        )

    def kept_since(self, before: "Usage", megabytes: float, threads: int = 0) -> list[str]:
        """What was not given back, in words.

        Args:
            before: an earlier moment.
            megabytes: memory that may have been added.
            threads: that may have been added: the service starts its workers with their first work.
        """
        kept = {
            "file descriptors": self.files - before.files - _LOOSE_FILES,
            "threads": self.threads - before.threads - threads,
            "MB": round(self.megabytes - before.megabytes) - megabytes,
            "requests in flight": self.in_flight,
            "queued images": self.queued,
        }
        return [f"{number:g} {what} too many" for what, number in kept.items() if number > 0]


def answers(service: ServiceProcess) -> Counter[str]:
    """Status -> answers so far, by the service's own count."""
    found: Counter[str] = Counter()
    for sample in _scrape(service):
        if sample.name == "pneumonia_requests_total" and sample.value:
            found[sample.labels["status"]] += int(sample.value)
    return found


def stage_milliseconds(service: ServiceProcess) -> dict[str, float]:
    """Stage -> mean time spent in it since the service started."""
    found = {
        (sample.name.rpartition("_")[2], sample.labels["stage"]): sample.value
        for sample in _scrape(service)
        if sample.name.startswith("pneumonia_stage_seconds_")
    }
    return {
        stage: found["sum", stage] / max(1.0, count) * 1e3
        for (figure, stage), count in found.items()
        if figure == "count"
    }


def _scrape(service: ServiceProcess) -> list[Sample]:
    """Every sample of ``GET /metrics``."""
    families = text_string_to_metric_families(service.get("/metrics").text)
    return [sample for family in families for sample in family.samples]
