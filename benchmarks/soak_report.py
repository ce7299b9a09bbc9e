"""What `benchmarks.soak` saw: its figures and its plot."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.open_loop import percentile
from benchmarks.soak_traffic import SHED, Kind

mpl.use("Agg")
from matplotlib import pyplot as plt

# minutes of a soak of ten
PERIODS = 10


@dataclass(frozen=True)
class Exchange:
    """One request: when it began, seconds from the start, and what became of it."""

    at: float
    kind: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Sample:
    """What the service held and did at one moment."""

    at: float
    megabytes: float
    files: int
    threads: int
    in_flight: int
    queued: int


def growth(megabytes: Sequence[float]) -> float:
    """Median of the last quarter less that of the second; the first fills caches and the heap."""
    quarter = max(1, len(megabytes) // 4)
    second, last = megabytes[quarter : 2 * quarter] or megabytes, megabytes[-quarter:]
    return statistics.median(last) - statistics.median(second)


def unexpected(exchanges: Sequence[Exchange], kinds: dict[str, Kind]) -> list[str]:
    """What was answered otherwise than it must be, or not at all."""
    strange = Counter(
        (exchange.kind, exchange.outcome)
        for exchange in exchanges
        if exchange.outcome not in kinds[exchange.kind].expected | SHED
    )
    return [f"{kind}: {outcome}, {count} times" for (kind, outcome), count in strange.items()]


def outcomes(exchanges: Sequence[Exchange]) -> dict[str, dict[str, int]]:
    """Kind -> outcome -> how often."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for exchange in exchanges:
        found[exchange.kind][exchange.outcome] += 1
    return {kind: dict(found[kind].most_common()) for kind in sorted(found)}


def periods(
    exchanges: Sequence[Exchange], samples: Sequence[Sample], seconds: float
) -> list[dict[str, Any]]:
    """The time in equal parts: latency of the commonest kind of request, largest of all else."""
    rows = []
    for number in range(PERIODS):
        begin, end = number * seconds / PERIODS, (number + 1) * seconds / PERIODS
        there = [exchange for exchange in exchanges if begin <= exchange.at < end]
        took = sorted(
            exchange.seconds
            for exchange in there
            if exchange.kind == "JPEG" and exchange.outcome not in SHED
        )
        held = [asdict(sample) for sample in samples if begin <= sample.at < end]
        most = {
            name: max((row[name] for row in held), default=None)
            for name in ("megabytes", "files", "threads", "in_flight", "queued")
        }
        rows.append(
            {
                "requests": len(there),
                "p50_ms": round(1e3 * percentile(took, 50)) if took else None,
                "p99_ms": round(1e3 * percentile(took, 99)) if took else None,
                **most,
            }
        )
    return rows


def draw(periods: Sequence[dict[str, Any]], samples: Sequence[Sample], path: Path) -> None:
    """Plot what was watched over the time, and latency by period."""
    minutes = [sample.at / 60 for sample in samples]
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "soak"}):
        figure, axes = plt.subplots(1, 4, figsize=(12, 2.6), layout="constrained")
        panels = (("megabytes",), ("files", "threads"), ("in_flight", "queued"))
        labels = ("resident, MB", "open", "requests")
        for panel, names, label in zip(axes, panels, labels, strict=False):
            for name in names:
                values = [getattr(sample, name) for sample in samples]
                panel.plot(minutes, values, linewidth=1, label=name.replace("_", " "))
            panel.set(xlabel="minutes", ylabel=label)
        width = (minutes[-1] if minutes else 1.0) / PERIODS
        for name in ("p50_ms", "p99_ms"):
            values = [period[name] for period in periods]
            middles = [(number + 0.5) * width for number in range(len(periods))]
            axes[3].plot(middles, values, "o-", markersize=3, label=name.removesuffix("_ms"))
        axes[3].set(xlabel="minutes", ylabel="a JPEG, ms")
        for panel in axes:
            panel.set_ylim(bottom=0)
        for panel in axes[1:]:
            panel.legend()
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
