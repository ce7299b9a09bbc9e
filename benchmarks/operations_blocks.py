"""The tables of the checks that a running service must stand, written from their reports."""

from benchmarks.performance_blocks import missing, place, read, table

_COLUMNS = ("requests", "p50_ms", "p99_ms", "megabytes", "files", "threads", "in_flight", "queued")


def soak() -> str:
    """What a service holds and how fast it answers while everything is sent to it."""
    report = read("soak")
    if report is None:
        return missing("soak")
    head = [
        "part",
        "requests",
        "p50, ms",
        "p99, ms",
        "MB",
        "files",
        "threads",
        "in flight",
        "queued",
    ]
    rows = [
        [str(number), *("" if row[name] is None else f"{row[name]:g}" for name in _COLUMNS)]
        for number, row in enumerate(report["periods"], 1)
    ]
    faults = "; ".join(report["faults"]) or "none"
    return (
        f"{report['requests']:,} requests of {len(report['outcomes'])} kinds by "
        f"{report['clients']} clients in {report['seconds']:g} s, {report['shed']:,} of them shed, "
        f"{place(report)}. Faults: {faults}. Latency is that of a JPEG, the rest the largest "
        f"value of each part.\n\n{table(head, rows)}\n\n"
        "![memory, files, threads, requests and latency over the time](images/soak.svg)"
    )
