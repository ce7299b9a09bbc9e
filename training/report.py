"""The report of an evaluation: figures as JSON, a page in Markdown, and plots."""

import csv
import json
import math
from pathlib import Path
from typing import Any

from training.advice import Advice
from training.evaluate import Evaluation
from training.html_report import number, to_html
from training.plots import PLOTS, draw

TITLES = {
    "auroc": "AUROC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity (recall)",
    "specificity": "specificity",
    "precision": "precision",
    "negative_predictive_value": "negative predictive value",
    "f1": "F1",
    "average_precision": "average precision",
    "brier": "Brier score",
    "ece": "calibration error (ECE, 15 bins)",
    "three_class_accuracy": "accuracy, three classes",
    "class_accuracy": "accuracy, all classes",
    "bacterial_or_viral_auroc": "bacterial or viral, AUROC",
}


def write_report(evaluation: Evaluation, folder: Path, advice: Advice | None = None) -> None:
    """Write ``report.json``, ``report.md``, ``answers.csv`` and the plots into a folder.

    With ``advice`` also ``report.html``, which holds all of it and the surest errors as images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = evaluation.to_json()
    (folder / "report.json").write_text(json.dumps(_without_nan(report), indent=2) + "\n")
    (folder / "report.md").write_text(to_markdown(evaluation, advice))
    _write_answers(evaluation, folder / "answers.csv")
    for name in PLOTS:
        (folder / f"{name}.png").write_bytes(draw(name, evaluation))
    if advice is not None:
        (folder / "report.html").write_text(to_html(evaluation, advice, TITLES))


def write_shifts(evaluations: dict[str, Evaluation], folder: Path) -> None:
    """Write ``shifts.json`` and ``shifts.md``, with the figures under each shift.

    Also ``decisions.json``, the counts of decisions by true label under each shift.
    """
    rows = {
        name: {figure: rate.model_dump() for figure, rate in evaluation.figures.items()}
        for name, evaluation in evaluations.items()
    }
    decisions = {name: evaluation.decisions() for name, evaluation in evaluations.items()}
    (folder / "shifts.json").write_text(json.dumps(rows, indent=2) + "\n")
    (folder / "decisions.json").write_text(json.dumps(decisions, indent=2) + "\n")
    (folder / "shifts.md").write_text(shifts_table(rows) + "\n")


def shifts_table(rows: dict[str, dict[str, dict[str, float]]]) -> str:
    """``shifts.json`` as a Markdown table."""
    shown = ("auroc", "accuracy", "sensitivity", "specificity", "ece")
    lines = [f"| shift | {' | '.join(TITLES[name] for name in shown)} |", "|---" * 6 + "|"]
    lines += [
        f"| {name} | "
        + " | ".join(f"{row[figure]['value']:.3f}" if figure in row else "-" for figure in shown)
        + " |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def figures_table(figures: dict[str, dict[str, float]]) -> str:
    """Figures of a ``report.json`` as a Markdown table."""
    lines = ["| figure | value | 95 % interval |", "|---|---|---|"]
    lines += [
        f"| {title} | {figures[name]['value']:.3f} "
        f"| {figures[name]['low']:.3f} to {figures[name]['high']:.3f} |"
        for name, title in TITLES.items()
        if name in figures
    ]
    return "\n".join(lines)


def to_markdown(evaluation: Evaluation, advice: Advice | None = None) -> str:
    """The page ``report.md``."""
    report = evaluation.to_json()
    figures = {name: rate.model_dump() for name, rate in evaluation.figures.items()}
    skipped = "".join(f"\n- skipped {line}" for line in evaluation.skipped)
    classes = "\n".join(
        f"| {label} | {row['images']:.0f} | {number(row['sensitivity'])} "
        f"| {number(row['precision'])} | {number(row['auroc'])} |"
        for label, row in report["per_class"].items()  # type: ignore[attr-defined]
    )
    return f"""# {evaluation.model} on {evaluation.data}

{report["images"]} images of {report["patients"]} patients, {report["prevalence"]:.1%} of those
answered with {evaluation.scores.labels.finding}; {report["refused"]} refused,
{report["uncertain"]} answered uncertain. Operating point {evaluation.operating_point}: from a
probability of {evaluation.threshold:.4f} on. Figures are over the answered images; intervals are
bootstrapped over patients.{skipped}

{figures_table(figures)}

| label | images | sensitivity | precision | AUROC against the rest |
|---|---|---|---|---|
{classes}

{" ".join(f"![{name.replace('_', ' ')}]({name}.png)" for name in PLOTS)}
{_advice(advice) if advice else ""}"""


def _advice(advice: Advice) -> str:
    reasons = "".join(f"- {reason}\n" for reason in advice.reasons)
    return f"""
## What to do: {advice.verdict}

{reasons}
{advice.what_to_do} {advice.how_many}
"""


def _without_nan(value: Any) -> Any:
    """The same with null for what is undefined, since JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _write_answers(evaluation: Evaluation, file: Path) -> None:
    labels = evaluation.scores.labels.names
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "patient", "truth", "decision", *labels, "distance"])
        for answer in evaluation.answers:
            row = answer.probabilities or ("",) * len(labels)
            writer.writerow(
                [answer.file, answer.patient, answer.truth, answer.decision, *row, answer.distance]
            )
