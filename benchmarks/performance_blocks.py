"""The performance tables, written from the reports of the benchmarks."""

import statistics
from collections.abc import Iterable
from typing import Any

from benchmarks.report import read_report


def speed() -> str:
    """What HTTP costs, against the goals."""
    report = read("speed")
    if report is None:
        return missing("bench")
    rounds, at_rate = report["rounds"], report["at_80_percent"]
    rows = [
        ("raw body over HTTP / no HTTP", "raw_to_ceiling", ">= 0.92"),
        ("the same an image's processor time of the service", "raw_to_ceiling_a_cpu_second", ""),
        ("form over HTTP / no HTTP", "form_to_ceiling", ">= 0.88"),
        ("the same an image's processor time of the service", "form_to_ceiling_a_cpu_second", ""),
        ("median of one client / one image, no HTTP", "one_client_to_one_image", "<= 1.25"),
    ]
    lines = [[name, *_range([entry[key] for entry in rounds], 2), goal] for name, key, goal in rows]
    lines.append(["p99 / median at 80 % of capacity", f"{at_rate['p99_to_p50']:.2f}", "", "<= 4"])
    images = statistics.median(entry["raw_rate"] for entry in rounds)
    client = statistics.median(
        entry["client_cpu_seconds"] / (entry["client_cpu_seconds"] + entry["service_cpu_seconds"])
        for entry in rounds
    )
    return (
        table(["ratio", "median", "rounds", "goal"], lines)
        + f"\n\n{images:.1f} images/s by raw body with {report['clients']} clients, "
        f"{report['images']} of {report['mean_kilobytes']} kB on average, {place(report)}. The "
        f"client used {client:.0%} of the processor time that both used of the same cores."
    )


def speed_line() -> str:
    """One sentence for the README."""
    report = read("speed")
    if report is None:
        return missing("bench")
    rounds = report["rounds"]
    rate = statistics.median(entry["raw_rate"] for entry in rounds)
    ratio = statistics.median(entry["raw_to_ceiling"] for entry in rounds)
    return (
        f"Throughput: {rate:.0f} {report['images']} a second over HTTP, {ratio:.0%} of what the "
        f"same cores do without HTTP, {place(report)}. [More](docs/performance.md)"
    )


def stages() -> str:
    """Where the time of one request goes, and of whom the processor is under load."""
    report = read("speed")
    if report is None:
        return missing("bench")
    times = [[name, f"{value:.2f}"] for name, value in report["stages_ms"].items()]
    shares = [[name, f"{value:.1%}"] for name, value in report["sampled_shares"].items()]
    return (
        table(["stage of one client's request", "ms, mean"], times)
        + "\n\n"
        + table(["under load, whose threads ran or waited for a core", "samples"], shares)
    )


def peers() -> str:
    """Our service and its peers."""
    report = read("peers")
    if report is None:
        return missing("bench-peers")
    found = report["peers"]
    ours = found.get("ours", {})
    rows = []
    for name, entry in found.items():
        if "failed" in entry:
            rows.append([name, f"not measured: {entry['failed']}", *[""] * 8])
            continue
        flood = entry["overload"]
        ratio = ours["rate"] / entry["rate"] if "rate" in ours and entry["rate"] else float("nan")
        rows.append(
            [
                name,
                f"{entry['rate']:.1f}",
                f"{ratio:.2f}",
                f"{entry['p50_ms']:.0f}, {entry['p99_ms']:.0f}",
                f"{entry['megabytes']}",
                f"{entry['ready_seconds']:.1f}",
                f"{flood['judged_part']:.0%}",
                f"{flood['p99_ms']:.0f}",
                "yes" if entry["after"]["all_judged"] else "no",
                entry["setting"],
            ]
        )
    head = ["server", "images/s", "ours / its", "p50, p99 ms", "MB", "start, s"]
    head += ["judged at 5x", "p99 of those, ms", "recovers", "setting"]
    return f"{table(head, rows)}\n\nMeasured {place(report)}."


def growth() -> str:
    """Growth with clients, size and replicas."""
    report = read("growth")
    if report is None:
        return missing("bench-growth")
    rows = [
        [kind, f"{at['at']:g}", f"{at['rate']:.1f}", f"{at['p99_ms']:.0f}", str(at["megabytes"])]
        for kind in ("clients", "megapixels", "replicas")
        for at in report[kind]
    ]
    return table(["grows", "to", "images/s", "p99, ms", "MB"], rows)


def tuning() -> str:
    """The runtime's options."""
    report = read("tuning")
    if report is None:
        return missing("bench-tuning")
    rows = [[name, f"{ratio:.2f}"] for name, ratio in report["ratios"].items()]
    return f"{table(['options', 'throughput / ours'], rows)}\n\nMeasured {place(report)}."


def tradeoff() -> str:
    """Accuracy against speed, a table, and what eight bits come to here."""
    report = read("tradeoff")
    if report is None:
        return missing("bench-tradeoff")
    keys = ["auroc_clean", "auroc_shifted", "bacterial_or_viral_auroc_shifted"]
    keys += ["ece_clean", "ece_shifted"]
    rows = [
        [
            f"{name}{' (ships)' if name == report['ours'] else ''}",
            f"{row['time']:.2f}",
            *(f"{row[key]:.3f}" for key in keys),
        ]
        for name, row in report["models"].items()
    ]
    head = ["precision, input", f"time / {report['reference']}", "AUROC, clean", "AUROC, shifted"]
    head += ["bacterial or viral AUROC, shifted", "ECE, clean", "ECE, shifted"]
    ratio = report["int8_time_to_float32"]
    faster = ratio < 1
    verdict = "takes less time" if faster else "is not faster"
    quality = (
        f"It does not pass the gate of `pneumonia export --int8`: {report['int8_fault']}"
        if report["int8_fault"]
        else "Its figures pass the gate of `pneumonia export --int8`."
    )
    return (
        f"{table(head, rows)}\n\nOver {report['images']} held-out images, one thread, one image "
        f"at a time, {place(report)}. Int8 {verdict} on this processor: {ratio:.2f} times that of "
        f"float32 at the same size. {quality}"
    )


def drift() -> str:
    """What scaled decoding changes."""
    report = read("drift")
    if report is None:
        return missing("bench-drift")
    rows = [
        [
            f"{margin}{' (ours)' if int(margin) == report['margin'] else ''}",
            f"{found['mean']:.5f}",
            f"{found['largest']:.4f}",
            str(found["decisions_changed"]),
            f"{found['time_to_full']:.2f}",
        ]
        for margin, found in report["margins"].items()
    ]
    head = ["decoded to at least N x the input", "mean difference of probability", "largest"]
    head += ["decisions changed", "time / full decoding"]
    return f"{table(head, rows)}\n\nOver {report['images']} images, {place(report)}."


def read(name: str) -> dict[str, Any] | None:
    """The report of a benchmark, None where it was never run."""
    try:
        return read_report(name)
    except FileNotFoundError:
        return None


def missing(command: str) -> str:
    """What a block says without its report."""
    return f"*Not measured yet with this model: `make {command}` does, then `make docs`.*"


def _range(values: list[float], digits: int) -> list[str]:
    return [
        f"{statistics.median(values):.{digits}f}",
        f"{min(values):.{digits}f} to {max(values):.{digits}f}",
    ]


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def place(report: dict[str, Any]) -> str:
    """What a report was measured on."""
    place = report["measured_on"]
    return (
        f"on {place['cores']} cores ({place['processor']}) with ONNX Runtime {place['onnxruntime']}"
    )
