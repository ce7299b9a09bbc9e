"""Blocks about the model that ships, from its contract and the reports beside it."""

import json
from typing import Any

import onnxruntime as ort

from benchmarks.report import ROOT, read_report
from service.inference.contract import Contract, OperatingPoint
from service.settings import DEFAULT_MODEL

REPORTS = ROOT / "models" / "reports"
_PREVALENCES = (0.05, 0.2, 0.5)
_RESULTS = (
    ("auroc", "pneumonia or not, AUROC"),
    ("accuracy", "accuracy at `balanced`"),
    ("sensitivity", "sensitivity at `balanced`"),
    ("specificity", "specificity at `balanced`"),
    ("bacterial_or_viral_auroc", "bacterial or viral, AUROC"),
    ("three_class_accuracy", "accuracy, three classes"),
    ("ece", "calibration error (ECE, 15 bins)"),
)
_NOT_MEASURED = "*Not measured yet with this model: `make model-report` does.*"
_AUDIT = (
    ("auroc_whole", "AUROC on whole images"),
    ("auroc_borders_hidden", "AUROC with the outer 12 % of each side blacked out"),
    ("auroc_lungs_hidden", "AUROC with the lungs blacked out (0.5: nothing else is used)"),
    ("deletion_by_evidence", "mean probability while places are blurred, strongest evidence first"),
    ("deletion_at_random", "the same in a random order (should be higher)"),
    ("insertion_by_evidence", "mean probability while places come back, strongest evidence first"),
    ("insertion_at_random", "the same in a random order (should be lower)"),
    ("inverted_refused", "share of inverted X-rays that the input check refuses"),
    ("inverted_named", "share of inverted X-rays whose refusal says that they are inverted"),
)


def answer() -> str:
    """What the shipped model says of a published chest X-ray, shortened, as a code block."""
    said = read_report("answer")["answer"]
    shown = ["decision", "probability", "probabilities", "subtype", "operating_point"]
    shown += ["input_check", "warnings"]
    short = {name: _rounded(said[name]) for name in shown}
    return f"```json\n{json.dumps(short, indent=2)}\n```"


def results() -> str:
    """The main figures on held-out children, shifted children and held-out adults, a table."""
    children, adults = report_of("children/report.json"), report_of("adults/report.json")
    shifts = {
        name: row for name, row in report_of("children/shifts.json").items() if name != "clean"
    }
    lines = [
        f"| figure (95 % interval) | held-out children ({children['images']} images) "
        f"| the same under {len(shifts)} named shifts: mean, worst "
        f"| held-out adults ({adults['images']} images, noisy labels) |",
        "|---|---|---|---|",
    ]
    for name, title in _RESULTS:
        values = [row[name]["value"] for row in shifts.values()]
        # the adults' kind of pneumonia is unknown
        adult = "-" if name == "three_class_accuracy" else _figure(adults, name)
        worst = max(values) if name == "ece" else min(values)
        lines.append(
            f"| {title} | {_figure(children, name)} | {sum(values) / len(values):.3f}, "
            f"{worst:.3f} | {adult} |"
        )
    return "\n".join(lines)


def expected() -> str:
    """What is predicted for other images of the same kind of patients, a table."""
    rows = report_of("children/shifts.json").values()
    lines = ["| figure | expected | from, to |", "|---|---|---|"]
    for name, title in _RESULTS:
        rates = [row[name] for row in rows]
        middle = sum(rate["value"] for rate in rates) / len(rates)
        low, high = min(rate["low"] for rate in rates), max(rate["high"] for rate in rates)
        lines.append(f"| {title} | {middle:.3f} | {low:.3f}, {high:.3f} |")
    return "\n".join(lines)


def shifts() -> str:
    """Every named shift, a table."""
    from training.report import shifts_table

    return shifts_table(report_of("children/shifts.json"))


def coverage() -> str:
    """How often `balanced` says uncertain, and how often it is wrong where it does not, a table."""
    from export.calibration import FALSE_ALARMS, MISSED

    report = _decisions()
    if report is None:
        return _NOT_MEASURED
    lines = [
        f"| shift | uncertain | of pneumonia called normal (budget {MISSED:.0%}) "
        f"| of normal called pneumonia (budget {FALSE_ALARMS:.0%}) | refused |",
        "|---|---|---|---|---|",
    ]
    for shift, table in report.items():
        ill = [row for label, row in table.items() if label != "normal"]
        well = [table["normal"]]
        shares = (
            _share([*ill, *well], "uncertain"),
            _share(ill, "normal"),
            _share(well, "pneumonia"),
            _share([*ill, *well], "refused"),
        )
        lines.append(f"| {shift} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    return "\n".join(lines)


def worst_errors() -> str:
    """How many answers were sure and wrong, by the true kind, a table."""
    from training.evaluate import CONFIDENT

    report = _decisions()
    if report is None:
        return _NOT_MEASURED
    clean, others = report["clean"], {name: one for name, one in report.items() if name != "clean"}
    lines = [
        f"| held-out children's images that are | wrong with {CONFIDENT:.0%} or more, clean "
        "| under all shifts together | most under one shift |",
        "|---|---|---|---|",
    ]
    for label, row in clean.items():
        counts = {name: table[label]["confident_errors"] for name, table in others.items()}
        images = sum(table[label]["images"] for table in others.values())
        total, worst = sum(counts.values()), max(counts, key=lambda name: counts[name])
        lines.append(
            f"| {label} | {row['confident_errors']} of {row['images']} | {total} of {images} "
            f"| {f'{worst}: {counts[worst]}' if total else '-'} |"
        )
    return "\n".join(lines)


def subgroups() -> str:
    """The decisions of `balanced` by source and true label, a table."""
    groups = {
        "children": report_of("children/report.json").get("decisions"),
        "adults": report_of("adults/report.json").get("decisions"),
    }
    lines = [
        "| source, label | images | answered pneumonia | uncertain | normal | refused |",
        "|---|---|---|---|---|---|",
    ]
    for source, table in groups.items():
        if table is None:
            return _NOT_MEASURED
        for label, row in table.items():
            shares = " | ".join(
                f"{_share([row], decision):.1%}"
                for decision in ("pneumonia", "uncertain", "normal", "refused")
            )
            lines.append(f"| {source}, {label} | {row['images']} | {shares} |")
    return "\n".join(lines)


def audit() -> str:
    """What is left when parts of the image are hidden, and how true the evidence is, a table."""
    figures = report_of("children/audit.json")["figures"]
    lines = ["| what is measured | value (95 % interval) |", "|---|---|"]
    lines += [f"| {title} | {rounded_rate(figures[name])} |" for name, title in _AUDIT]
    return "\n".join(lines)


def operating_points() -> str:
    """Thresholds with what they were measured to do, a table."""
    lines = [
        "| name | pneumonia from | uncertain | sensitivity | specificity | rule |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{point.name}` | {point.threshold:.3f} | {_band(point)} "
        f"| {_rate(point, 'sensitivity')} | {_rate(point, 'specificity')} | {point.rule} |"
        for point in contract().operating_points
    ]
    return "\n".join(lines)


def predictive_values() -> str:
    """What an answer means at several prevalences, a table (Bayes' rule)."""
    lines = [
        "| operating point | prevalence | an answer `pneumonia` is right | `normal` is right |"
    ]
    lines.append("|---|---|---|---|")
    for point in contract().operating_points:
        hit, clear = point.sensitivity.value, point.specificity.value
        for share in _PREVALENCES:
            positive = hit * share / (hit * share + (1 - clear) * (1 - share))
            negative = clear * (1 - share) / (clear * (1 - share) + (1 - hit) * share)
            lines.append(f"| `{point.name}` | {share:.0%} | {positive:.1%} | {negative:.1%} |")
    return "\n".join(lines)


def input_check() -> str:
    """What the input check refuses, a table."""
    refused = report_of("run/input_check.json")["refused"]
    lines = ["| images | refused |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {share:.1%} |" for name, share in refused.items()]
    return "\n".join(lines)


def out_of_distribution() -> str:
    """How many pictures that are no chest X-rays are refused, one sentence."""
    if not (REPORTS / "children" / "out_of_distribution.json").is_file():
        return _NOT_MEASURED
    report = report_of("children/out_of_distribution.json")
    nearest = report["nearest_of_limit"]
    return (
        f"Of {report['images']} pictures in `{report['source']}` the service refuses "
        f"{rounded_rate(report['refused'])}"
        + (f"; the nearest lies at {nearest:.2f} times the limit." if nearest else ".")
    )


def contract() -> Contract:
    """The contract of the model that ships."""
    session = ort.InferenceSession(DEFAULT_MODEL, providers=["CPUExecutionProvider"])
    return Contract.from_metadata(session.get_modelmeta().custom_metadata_map)


def _decisions() -> dict[str, dict[str, dict[str, int]]] | None:
    if not (REPORTS / "children" / "decisions.json").is_file():
        return None
    return report_of("children/decisions.json")


def _share(rows: list[dict[str, int]], name: str) -> float:
    return sum(row[name] for row in rows) / sum(row["images"] for row in rows)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return value


def report_of(name: str) -> dict[str, Any]:
    """A report beside the model, by its path in `models/reports`."""
    report: dict[str, Any] = json.loads((REPORTS / name).read_text(encoding="utf-8"))
    return report


def _figure(report: dict[str, Any], name: str) -> str:
    if name not in report["figures"]:
        return "-"
    return rounded_rate(report["figures"][name])


def rounded_rate(rate: dict[str, float]) -> str:
    """A value with its 95 % interval."""
    return f"{rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f})"


def _band(point: OperatingPoint) -> str:
    if point.uncertain_low is None or point.uncertain_high is None:
        return "-"
    return f"{point.uncertain_low:.3f} to {point.uncertain_high:.3f}"


def _rate(point: OperatingPoint, name: str) -> str:
    return rounded_rate(getattr(point, name).model_dump())
