"""How many machines, how much memory, storage, money and time: arithmetic on measured figures.

    python -m benchmarks.sizing [--core-hour 0.05] [--machine-cores 16] ...

prints the tables of docs/scale.md with other assumptions than its own. What is measured comes from
the reports in ``benchmarks/results``; what is assumed is in :class:`Assumptions` and nowhere else.
"""

import argparse
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from training.reports.files import RESULTS, place, read, table

ARCHIVES = (1_000, 1_000_000, 10_000_000, 100_000_000)
REQUESTS = (10, 1_000, 100_000)
_HOUR = 3600.0


@dataclass(frozen=True)
class Assumptions:
    """What nobody measured here; each is an option of the command.

    Attributes:
        core_hour: price of one core with its memory, an hour.
        gigabyte_month: price of storing a gigabyte, a month.
        machine_cores: cores of a machine.
        machine_gigabytes: memory of a machine, GB.
        machine_gigabits: network of a machine, Gbit/s.
        weekend_hours: hours that an archive may take.
        dicom_megabytes: size of an uncompressed DICOM image, MB.
        name_bytes: memory of Ray's driver for the name of an input, bytes.
        utilisation: share of the cores that is planned to be busy; the rest is for bursts.
        node_seconds: seconds from the wish for another pod until its container starts.
    """

    core_hour: float = 0.05
    gigabyte_month: float = 0.02
    machine_cores: int = 16
    machine_gigabytes: int = 64
    machine_gigabits: float = 10.0
    weekend_hours: float = 60.0
    dicom_megabytes: float = 15.0
    name_bytes: int = 200
    utilisation: float = 0.7
    node_seconds: float = 30.0


@dataclass(frozen=True)
class Measured:
    """What the reports say, of one core where it depends on their number.

    Attributes:
        service_rate: images/s over HTTP.
        batch_rate: images/s of the Ray engine.
        image_kilobytes: of an image.
        row_bytes: of an answer in Parquet.
        pod_megabytes: the most that a service on so many cores took, DICOM included.
        pod_cores: cores of that service.
        start_seconds: from start to ready.
        place: where the rates were measured, in words.
    """

    service_rate: float
    batch_rate: float
    image_kilobytes: float
    row_bytes: float
    pod_megabytes: int
    pod_cores: int
    start_seconds: float
    place: str


def measured() -> Measured:
    """The figures of the reports.

    Raises:
        FileNotFoundError: one was never written.
    """
    speed, memory = read(RESULTS / "speed.json"), read(RESULTS / "memory.json")
    ray = read(RESULTS / "ray_engine.json")
    rate = statistics.median(entry["raw_rate"] for entry in speed["rounds"])
    return Measured(
        service_rate=rate / speed["measured_on"]["cores"],
        batch_rate=ray["ray_rate"] / ray["measured_on"]["cores"],
        image_kilobytes=speed["mean_kilobytes"],
        row_bytes=ray["bytes_a_row"],
        pod_megabytes=memory["with_dicom"]["peak_megabytes"],
        pod_cores=memory["measured_on"]["cores"],
        start_seconds=read(RESULTS / "startup.json")["median_seconds"],
        place=place(speed),
    )


@dataclass(frozen=True)
class Archive:
    """What an archive takes.

    Attributes:
        core_hours: of computing.
        machines: that do it within the weekend.
        hours: that they take.
        read_gigabytes: of images.
        written_gigabytes: of answers.
        compute_cost: of the core hours.
        storage_cost: of keeping images and answers for a month.
    """

    core_hours: float
    machines: int
    hours: float
    read_gigabytes: float
    written_gigabytes: float
    compute_cost: float
    storage_cost: float


def size_archive(images: int, found: Measured, assumed: Assumptions) -> Archive:
    """What scoring so many images takes."""
    by_cores = assumed.machine_cores * found.batch_rate
    machine_rate = min(by_cores, feed(found.image_kilobytes, assumed))
    machine_hours = images / machine_rate / _HOUR
    machines = math.ceil(machine_hours / assumed.weekend_hours)
    core_hours = machine_hours * assumed.machine_cores
    read_gigabytes = images * found.image_kilobytes / 1e6
    written = images * found.row_bytes / 1e9
    return Archive(
        core_hours=core_hours,
        machines=machines,
        hours=machine_hours / machines,
        read_gigabytes=read_gigabytes,
        written_gigabytes=written,
        compute_cost=core_hours * assumed.core_hour,
        storage_cost=(read_gigabytes + written) * assumed.gigabyte_month,
    )


def feed(kilobytes: float, assumed: Assumptions) -> float:
    """How many images/s of so many kilobytes the network of a machine brings."""
    return assumed.machine_gigabits * 1e6 / 8 / kilobytes


@dataclass(frozen=True)
class Fleet:
    """What a steady rate of requests takes.

    Attributes:
        pods: of ``pod_cores`` cores.
        machines: that hold them.
        memory_gigabytes: that they take.
        network_gigabits: that arrive, gigabits/s.
        month_cost: of their cores, for 30 days.
    """

    pods: int
    machines: int
    memory_gigabytes: float
    network_gigabits: float
    month_cost: float


def size_fleet(rate: float, found: Measured, assumed: Assumptions) -> Fleet:
    """What so many requests/s take, with room for bursts; never less than two pods."""
    pod_rate = found.service_rate * found.pod_cores * assumed.utilisation
    pods = max(2, math.ceil(rate / pod_rate))
    by_cores = assumed.machine_cores // found.pod_cores
    by_memory = int(assumed.machine_gigabytes * 1000 // found.pod_megabytes)
    return Fleet(
        pods=pods,
        machines=math.ceil(pods / max(1, min(by_cores, by_memory))),
        memory_gigabytes=pods * found.pod_megabytes / 1000,
        network_gigabits=rate * found.image_kilobytes * 8e-6,
        month_cost=pods * found.pod_cores * assumed.core_hour * 24 * 30,
    )


def archives_table(found: Measured, assumed: Assumptions) -> str:
    """What each archive takes."""
    head = ["images", "core-hours", "machines", "time", "read", "written"]
    head += ["computing (assumed price)", "a month of storage (assumed price)"]
    rows = []
    for images in ARCHIVES:
        size = size_archive(images, found, assumed)
        cells = [f"{images:,}", number(size.core_hours), f"{size.machines:,}"]
        cells += [duration(size.hours), gigabytes(size.read_gigabytes)]
        cells += [gigabytes(size.written_gigabytes)]
        rows.append([*cells, f"{size.compute_cost:,.2f}", f"{size.storage_cost:,.2f}"])
    return table(head, rows)


def fleets_table(found: Measured, assumed: Assumptions) -> str:
    """What each rate of requests takes."""
    head = ["requests/s", f"pods of {found.pod_cores} cores", "machines", "memory, GB"]
    head += ["arriving, Gbit/s", "a month (assumed price)"]
    rows = []
    for rate in REQUESTS:
        size = size_fleet(rate, found, assumed)
        cells = [f"{rate:,}", f"{size.pods:,}", f"{size.machines:,}"]
        cells += [number(size.memory_gigabytes), number(size.network_gigabits)]
        rows.append([*cells, f"{size.month_cost:,.0f}"])
    return table(head, rows)


def assumptions_table(found: Measured, assumed: Assumptions) -> str:
    """What was measured and what is assumed: everything else follows from it."""
    score = "images scored a second by a core, with the Ray engine"
    peak = f"memory of a service on {found.pod_cores} cores at its peak, DICOM included"
    facts = [
        ["requests answered a second by a core", f"{found.service_rate:.1f}", "`make bench`"],
        [score, f"{found.batch_rate:.1f}", "`make bench-ray`"],
        ["size of an image", f"{found.image_kilobytes:,} kB", "`make bench`"],
        ["size of an answer", f"{found.row_bytes:.0f} B", "`make bench-ray`"],
        [peak, f"{found.pod_megabytes} MB", "`make bench-memory`"],
        ["start to ready", f"{found.start_seconds:.2f} s", "`make bench-startup`"],
    ]
    guesses = [
        [meaning, f"{getattr(assumed, name):g}", f"`--{name.replace('_', '-')}`"]
        for name, meaning in _meanings().items()
    ]
    return (
        table(["measured", "figure", "by"], facts)
        + f"\n\nThe rates were measured {found.place}.\n\n"
        + table(["assumed, not measured", "value", "option"], guesses)
    )


def limits_table(found: Measured, assumed: Assumptions) -> str:
    """What is busy first: cores, network, or the driver's memory."""
    cores = assumed.machine_cores * found.batch_rate
    dicom = feed(assumed.dicom_megabytes * 1000, assumed)
    jpeg = feed(found.image_kilobytes, assumed)
    names = ARCHIVES[-1] * assumed.name_bytes / 1e9
    fleet = size_fleet(REQUESTS[-1], found, assumed)
    large = f"uncompressed DICOM, {assumed.dicom_megabytes:g} MB"
    rows = [
        ["like those measured", f"{cores:,.0f}", f"{jpeg:,.0f}"],
        [large, f"<= {cores:,.0f}", f"{dicom:,.0f}"],
    ]
    head = ["images", "a machine's cores score, a second", "its network brings, a second"]
    return (
        table(head, rows)
        + f"\n\n{REQUESTS[-1]:,} requests/s are {number(fleet.network_gigabits)} Gbit/s, and a "
        f"load balancer on such a network takes {jpeg:,.0f} requests/s; they mean {fleet.pods:,} "
        f"pods to be scraped. The names of {ARCHIVES[-1]:,} inputs take {names:,.0f} GB in Ray's "
        f"driver."
    )


def number(value: float) -> str:
    """Two digits at least."""
    return f"{value:,.2g}" if value < 10 else f"{value:,.0f}"


def duration(hours: float) -> str:
    """Hours in words."""
    if hours * _HOUR < 90:
        return f"{hours * _HOUR:.0f} s"
    return f"{hours * 60:.0f} min" if hours < 1.5 else f"{hours:.0f} h"


def gigabytes(amount: float) -> str:
    """Gigabytes, or a unit that suits the amount better."""
    if amount < 1:
        return f"{amount * 1000:,.0f} MB" if amount >= 0.001 else f"{amount * 1e6:,.0f} kB"
    return f"{amount:,.0f} GB" if amount < 1000 else f"{amount / 1000:,.1f} TB"


def _meanings() -> dict[str, str]:
    """What each assumption is, from the class's own words."""
    text = (Assumptions.__doc__ or "").partition("Attributes:")[2]
    lines = (line.strip().partition(": ") for line in text.splitlines() if ": " in line)
    return {name: meaning.rstrip(".") for name, _, meaning in lines}


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables with the assumptions of the command line."""
    # after the classes above, which it uses
    from benchmarks.scaling_day import day_table, waits_table

    meanings = _meanings()
    parser = argparse.ArgumentParser(prog="benchmarks.sizing", description="Size an installation.")
    for field in fields(Assumptions):
        kind: Any = type(field.default)
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=kind, default=field.default, help=meanings[field.name])
    assumed, found = Assumptions(**vars(parser.parse_args(words))), measured()
    tables = (assumptions_table, archives_table, fleets_table, limits_table, waits_table, day_table)
    for written in tables:
        print(f"{written(found, assumed)}\n")


if __name__ == "__main__":
    main()
