"""What the documents say of the benchmarks: each function writes one block from one report."""

import ast
import inspect
import statistics
from itertools import pairwise
from typing import Any, TypeAlias

from pydantic_settings import BaseSettings

from service.pacs.settings import PREFIX as PACS_PREFIX
from service.pacs.settings import PacsSettings
from service.settings import PREFIX, Settings
from training.reports.files import ROOT, place, table

Report: TypeAlias = dict[str, Any]


def startup(report: Report) -> str:
    """Start to ready, one sentence."""
    return (
        "Start to ready: {median_seconds:.2f} s, the median of {starts} starts ({low_seconds:.2f} "
        "to {high_seconds:.2f} s); when idle the service uses {idle_percent_of_a_core:.1f}% of a "
        "core, {place}."
    ).format(**report, starts=len(report["runs_seconds"]), place=place(report))


def memory(report: Report) -> str:
    """Memory without DICOM files and with them, two sentences."""
    dicom = report["with_dicom"]
    return (
        f"Memory: {report['after_megabytes']} MB after "
        f"{report['predictions'] + report['refused']:,} requests with {report['images']} "
        f"({report['ready_megabytes']} MB when ready, {report['peak_megabytes']} MB at the peak), "
        f"{place(report)}. After another {dicom['predictions'] + dicom['refused']:,} DICOM files: "
        f"{dicom['after_megabytes']} MB in {dicom['processes']} processes "
        f"({dicom['peak_megabytes']} MB at the peak)."
    )


def speed(report: Report) -> str:
    """What HTTP costs, against the goals."""
    rounds, at_rate = report["rounds"], report["at_80_percent"]
    rows = [
        ("raw body over HTTP / no HTTP", "raw_to_ceiling", ">= 0.92"),
        ("the same, by CPU time per image", "raw_to_ceiling_a_cpu_second", ""),
        ("form over HTTP / no HTTP", "form_to_ceiling", ">= 0.88"),
        ("the same, by CPU time per image", "form_to_ceiling_a_cpu_second", ""),
        ("median latency of one client / one image, no HTTP", "one_client_to_one_image", "<= 1.25"),
    ]
    lines = []
    for name, key, goal in rows:
        values = [entry[key] for entry in rounds]
        lines.append([name, f"{statistics.median(values):.2f}", _range(values), goal])
    lines.append(["p99 / median at 80 % of capacity", f"{at_rate['p99_to_p50']:.2f}", "", "<= 4"])
    client = statistics.median(
        entry["client_cpu_seconds"] / (entry["client_cpu_seconds"] + entry["service_cpu_seconds"])
        for entry in rounds
    )
    return (
        table(["ratio", "median", "range over rounds", "goal"], lines)
        + f"\n\n{_rate(report):.1f} images/s as raw bodies from {report['clients']} clients "
        f"({report['images']}, {report['mean_kilobytes']} kB on average), {place(report)}. The "
        f"client took {client:.0%} of the CPU time that client and service used together."
    )


def speed_line(report: Report) -> str:
    """One sentence for the README."""
    ratio = statistics.median(entry["raw_to_ceiling"] for entry in report["rounds"])
    return (
        f"Throughput: {_rate(report):.0f} {report['images']} a second over HTTP, {ratio:.0%} of "
        f"what the same cores do without HTTP, {place(report)}. [More](docs/performance.md)"
    )


def stages(report: Report) -> str:
    """Where the time of one request goes, a table."""
    times = [[name, f"{value:.2f}"] for name, value in report["stages_ms"].items()]
    return table(["stage of one client's request", "mean, ms"], times)


def peers(report: Report) -> str:
    """Our service and its peers."""
    found, rows = report["peers"], []
    ours = found.get("ours", {}).get("rate", float("nan"))
    for name, entry in found.items():
        if "failed" in entry:
            rows.append([name, f"not measured: {entry['failed']}", *[""] * 8])
            continue
        flood = entry["overload"]
        cells = [name, f"{entry['rate']:.1f}", f"{ours / entry['rate']:.2f}"]
        cells += [f"{entry['p50_ms']:.0f}, {entry['p99_ms']:.0f}", f"{entry['megabytes']}"]
        cells += [f"{entry['ready_seconds']:.1f}", f"{flood['answered_part']:.0%}"]
        cells += [f"{flood['p99_ms']:.0f}", "yes" if entry["all_answered_after"] else "no"]
        rows.append([*cells, entry["setting"]])
    head = ["server", "images/s", "ours / its", "p50, p99 ms", "MB", "start, s"]
    head += ["answered at 5x", "p99 of those, ms", "recovers", "setting"]
    return f"{table(head, rows)}\n\nMeasured {place(report)}."


def growth(report: Report) -> str:
    """Growth with clients, size and replicas."""
    rows = [
        [what, f"{at['at']:g}", f"{at['rate']:.1f}", f"{at['p99_ms']:.0f}", str(at["megabytes"])]
        for what in ("clients", "megapixels", "replicas")
        for at in report[what]
    ]
    return table(["varied", "value", "images/s", "p99, ms", "MB"], rows)


def tuning(report: Report) -> str:
    """The runtime's options."""
    rows = [[name, f"{ratio:.2f}"] for name, ratio in report["ratios"].items()]
    return f"{table(['options', 'throughput / ours'], rows)}\n\nMeasured {place(report)}."


def soak(report: Report) -> str:
    """What a service holds and how fast it answers while everything is sent to it."""
    names = ["requests", "p50_ms", "p99_ms", "megabytes", "files", "threads", "in_flight", "queued"]
    head = ["tenth", "requests", "p50, ms", "p99, ms", "MB", "files", "threads", "in flight"]
    rows = [
        [str(number), *("" if row.get(name) is None else f"{row[name]:g}" for name in names)]
        for number, row in enumerate(report["periods"], 1)
    ]
    return (
        f"{report['requests']:,} requests of {len(report['outcomes'])} kinds from "
        f"{report['clients']} clients in {report['seconds']:g} s, {report['shed']:,} of them shed, "
        f"{place(report)}. Faults: {_faults(report)}. Latency is that of JPEG images; the other "
        f"columns show the largest value in each tenth.\n\n{table([*head, 'queued'], rows)}"
    )


def overload(report: Report) -> str:
    """What five times the requests that can be answered do to those that are admitted, a table."""
    recovery, share = report["recovery_seconds"], report["goodput_of_capacity_per_core_left"]
    recovered = "never" if recovery is None else f"{recovery:g} s"
    admitted, probe = report["admitted_p99_ms"], report["probe_p99_ms"]
    goodput = "goodput / capacity, per core not used by the client"
    rows = [
        ("p99 of admitted requests", f"{admitted:,} ms", "<= 1,000 ms", admitted <= 1000),
        (goodput, f"{share:.0%}", ">= 90 %", share >= 0.9),
        ("p99 of health and metrics", f"{probe:g} ms", "<= 50 ms", probe <= 50),
        ("time until one client is answered as before", recovered, "<= 2 s", (recovery or 0) <= 2),
    ]
    lines = [[*row, "met" if met and row[1] != "never" else "missed"] for *row, met in rows]
    statuses = ", ".join(f"{count:,} with {status}" for status, count in report["statuses"].items())
    return (
        table(["what", "measured", "goal", ""], lines)
        + f"\n\n{report['offered']:g} requests/s arrived for {report['seconds']:g} s; capacity was "
        f"{report['capacity_before']:g} images/s before and {report['capacity_after']:g} after. "
        f"Answers: {statuses}; {report['failures']} requests without one. A refusal took "
        f"{report['shed_p50_ms']:,} ms (median). Faults: {_faults(report)}. "
        f"Measured {place(report)}."
    )


def dicom_reader(report: Report) -> str:
    """What reading each DICOM file costs, with both readers, a table."""

    def cell(row: Report) -> str:
        return "{outcome}, {cpu_seconds:.2g} s, {megabytes} MB".format(**row)

    previous = {row["file"]: cell(row) for row in report["previous"]}
    rows = [[row["file"], previous[row["file"]], cell(row)] for row in report["rows"]]
    return table(["file", "own reader, before", "pydicom in a worker"], rows)


def platforms(report: Report) -> str:
    """Whether all packages of the service can be had, by platform and Python, a table."""
    pythons = list(report["rows"][0]["lacks"])
    rows = []
    for row in report["rows"]:
        lacks = (f"no {lacked}" if lacked else "all" for lacked in row["lacks"].values())
        rows.append([row["platform"], *lacks])
    return table(["platform", *(f"Python {python}" for python in pythons)], rows)


def ray_engine(report: Report) -> str:
    """The Ray engine against the local one, and its growth, two tables."""
    ratios = [entry["ray_to_local"] for entry in report["rounds"]]
    rows = [
        ["local engine, images/s", f"{report['local_rate']:.1f}", ""],
        ["Ray engine, images/s", f"{report['ray_rate']:.1f}", ""],
        ["Ray / local", f"{report['ray_to_local']:.2f}", ">= 0.85"],
        ["until Ray scores, s", f"{report['start_seconds']:.1f}", ""],
    ]
    growth = [
        [str(at["nodes"]), f"{at['rate']:.1f}", f"{at['times']:.2f}"] for at in report["growth"]
    ]
    return (
        f"{report['count']:,} {report['images']} in each of {len(ratios)} rounds (ratio "
        f"{_range(ratios)}), {place(report)}.\n\n"
        + table(["what", "median", "goal"], rows)
        + f"\n\nGrowth with Ray nodes of one core on the same machine, whose images come from a "
        f"store that answers after {report['store_seconds']:g} s; the answers were the same on all "
        f"of them. Faults: {_faults(report)}.\n\n"
        + table(["nodes", "images/s", "times one node"], growth)
    )


def settings() -> str:
    """The settings of the service, a table."""
    return _settings(Settings, PREFIX)


def pacs_settings() -> str:
    """The settings of the DICOM node, a table."""
    return _settings(PacsSettings, PACS_PREFIX)


def _settings(settings: type[BaseSettings], prefix: str) -> str:
    (made,) = ast.parse(inspect.getsource(settings)).body
    assert isinstance(made, ast.ClassDef)
    # the docstring under each, read here so that the service's start need not
    meanings = {
        ast.unparse(setting.target): " ".join(ast.literal_eval(text.value).split())
        for setting, text in pairwise(made.body)
        if isinstance(setting, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    rows = [
        [f"`{prefix}{name.upper()}`", _default(entry), _values(entry), meanings[name]]
        for name, entry in settings.model_json_schema()["properties"].items()
    ]
    return table(["variable", "default", "values", "meaning"], rows).replace("``", "`")


def _default(entry: dict[str, Any]) -> str:
    value = entry.get("default")
    return "" if value in (None, "", [], ()) else f"`{str(value).removeprefix(f'{ROOT}/')}`"


def _values(entry: dict[str, Any]) -> str:
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    low = entry.get("minimum", entry.get("exclusiveMinimum"))
    above = "above " if "exclusiveMinimum" in entry else ""
    return "" if low is None else f"{above}{low} to {entry['maximum']}"


def _rate(report: Report) -> float:
    return float(statistics.median(entry["raw_rate"] for entry in report["rounds"]))


def _range(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def _faults(report: Report) -> str:
    return "; ".join(report["faults"]) or "none"
