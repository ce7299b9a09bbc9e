"""The tables of the checks that a running service must stand, written from their reports."""

from benchmarks.performance_blocks import missing, place, read, table

_MET = {
    "admitted p99": "p99 of what was admitted",
    "goodput": "goodput, of capacity on the cores the client left",
    "health and metrics p99": "p99 of health and metrics",
    "recovery": "until one client is answered as before",
}
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
    return (
        f"{report['requests']:,} requests of {len(report['outcomes'])} kinds by "
        f"{report['clients']} clients in {report['seconds']:g} s, {report['shed']:,} of them shed, "
        f"{place(report)}. Faults: {_told(report['faults'])}. Latency is that of a JPEG, the "
        f"rest the largest value of each part.\n\n{table(head, rows)}\n\n"
        "![memory, files, threads, requests and latency over the time](images/soak.svg)"
    )


def overload() -> str:
    """What five times the requests that can be answered do to those that are admitted, a table."""
    report = read("overload")
    if report is None:
        return missing("overload")
    recovery = report["recovery_seconds"]
    values = {
        "admitted p99": (f"{report['admitted_p99_ms']:,} ms", "<= 1,000 ms"),
        "goodput": (f"{report['goodput_of_capacity_per_core_left']:.0%}", ">= 90 %"),
        "health and metrics p99": (f"{report['probe_p99_ms']:g} ms", "<= 50 ms"),
        "recovery": ("never" if recovery is None else f"{recovery:g} s", "<= 2 s"),
    }
    rows = [
        [_MET[name], *values[name], "met" if met else "missed"]
        for name, met in report["met"].items()
    ]
    statuses = ", ".join(f"{count:,} with {status}" for status, count in report["statuses"].items())
    return (
        table(["what", "measured", "goal", ""], rows)
        + f"\n\n{report['offered']:g} requests/s offered for {report['seconds']:g} s, capacity "
        f"{report['capacity_before']:g} images/s before and {report['capacity_after']:g} after; "
        f"answers: {statuses}; {report['failures']} without one. Refusals took "
        f"{report['shed_p50_ms']:,} ms (median). Faults: {_told(report['faults'])}. "
        f"Measured {place(report)}."
    )


def fuzz() -> str:
    """What became of mutated files and of requests made from the OpenAPI document."""
    files, requests = read("fuzz"), read("fuzz_api")
    if files is None or requests is None:
        return missing("fuzz")
    rows = [
        [
            name,
            f"{found['inputs']:,}",
            f"{found['outcomes'].get('read', 0):,}",
            f"{found['slowest_cpu_seconds']:.2f}",
            f"{found['peak_megabytes']}",
            str(len(found["finds"])),
        ]
        for name, found in files["formats"].items()
    ]
    head = ["format", "mutated files", "read", "slowest, processor s", "peak, MB", "finds"]
    return (
        f"{table(head, rows)}\n\nAllowed to each file: {files['most_cpu_seconds']:g} s, and "
        f"{files['most_megabytes']:,} MB for all of a format. By HTTP: {requests['requests']:,} "
        f"requests to {requests['operations']} operations, finds: {_told(requests['finds'])}. "
        f"Measured {place(files)}."
    )


def audit() -> str:
    """How many packages are pinned, and what is known of them, a table."""
    report = read("audit")
    if report is None:
        return missing("audit")
    rows = [
        [
            name,
            str(found["checked"] + found["could_not_be_checked"]),
            str(found["could_not_be_checked"]),
            _told(list(found["vulnerable"])) if found["checked"] else "not known",
        ]
        for name, found in report["audits"].items()
    ]
    return table(["packages for", "pinned", "could not be checked", "vulnerable"], rows)


def _told(finds: list[str]) -> str:
    return "; ".join(finds) or "none"
