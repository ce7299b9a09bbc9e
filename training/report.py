"""A report of an evaluation: figures for programs, a page for people, plots for both."""

import csv
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from training.data import LABELS
from training.evaluate import Evaluation

mpl.use("Agg")
from matplotlib import pyplot as plt

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
    "bacterial_or_viral_auroc": "bacterial or viral, AUROC",
}


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write ``report.json``, ``report.md``, ``answers.csv`` and the plots into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    report = evaluation.to_json()
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "report.md").write_text(to_markdown(evaluation))
    _write_answers(evaluation, folder / "answers.csv")
    _plot_roc(evaluation, folder / "roc.png")
    _plot_precision_recall(evaluation, folder / "precision_recall.png")
    _plot_confusion(evaluation, folder / "confusion.png")
    _plot_reliability(evaluation, folder / "reliability.png")
    _plot_histogram(evaluation, folder / "histogram.png")


def write_shifts(evaluations: dict[str, Evaluation], folder: Path) -> None:
    """Write ``shifts.json`` and ``shifts.md``, one row of figures a shift, and ``decisions.json``.

    The latter counts the decisions of each true label under each shift.
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


def to_markdown(evaluation: Evaluation) -> str:
    """The page for people."""
    report = evaluation.to_json()
    figures = {name: rate.model_dump() for name, rate in evaluation.figures.items()}
    skipped = "".join(f"\n- skipped {line}" for line in evaluation.skipped)
    classes = "\n".join(
        f"| {label} | {row['images']:.0f} | {row['sensitivity']:.3f} | {row['precision']:.3f} "
        f"| {row['auroc']:.3f} |"
        for label, row in report["per_class"].items()  # type: ignore[attr-defined]
    )
    return f"""# {evaluation.model} on {evaluation.data}

{report["images"]} images of {report["patients"]} patients, {report["prevalence"]:.1%} of those
answered with pneumonia; {report["refused"]} refused, {report["uncertain"]} answered uncertain.
Operating point {evaluation.operating_point}: pneumonia from a probability of
{evaluation.threshold:.4f}. Figures are over the answered images; intervals are bootstrapped over
patients.{skipped}

{figures_table(figures)}

| label | images | sensitivity | precision | AUROC against the rest |
|---|---|---|---|---|
{classes}

![ROC](roc.png) ![precision and recall](precision_recall.png) ![confusion](confusion.png)
![reliability](reliability.png) ![histogram](histogram.png)
"""


def _write_answers(evaluation: Evaluation, file: Path) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "patient", "truth", "decision", *LABELS, "distance"])
        for answer in evaluation.answers:
            row = answer.probabilities or ("",) * len(LABELS)
            writer.writerow(
                [answer.file, answer.patient, answer.truth, answer.decision, *row, answer.distance]
            )


def _plot_roc(evaluation: Evaluation, file: Path) -> None:
    scores = evaluation.scores
    alarms, hits, _ = roc_curve(scores.y_true, scores.probability)
    figure, panel = _panel("1 - specificity", "sensitivity")
    panel.plot(alarms, hits)
    panel.plot([0, 1], [0, 1], ":", color="grey")
    if "specificity" in evaluation.figures and "sensitivity" in evaluation.figures:
        point = (
            1 - evaluation.figures["specificity"].value,
            evaluation.figures["sensitivity"].value,
        )
        panel.plot(*point, "o", label=evaluation.operating_point)
        panel.legend()
    _save(figure, file)


def _plot_precision_recall(evaluation: Evaluation, file: Path) -> None:
    scores = evaluation.scores
    precision, recall, _ = precision_recall_curve(scores.y_true, scores.probability)
    figure, panel = _panel("recall", "precision")
    panel.plot(recall, precision)
    _save(figure, file)


def _plot_confusion(evaluation: Evaluation, file: Path) -> None:
    rows = np.array(evaluation.to_json()["confusion"]["rows"])  # type: ignore[index]
    figure, panel = _panel("likeliest label", "reference")
    panel.imshow(rows, cmap="Greys")
    panel.set_xticks(range(len(LABELS)), LABELS)
    panel.set_yticks(range(len(LABELS)), LABELS)
    for (row, column), count in np.ndenumerate(rows):
        colour = "white" if count > rows.max() / 2 else "black"
        panel.text(column, row, str(count), ha="center", va="center", color=colour)
    _save(figure, file)


def _plot_reliability(evaluation: Evaluation, file: Path) -> None:
    scores = evaluation.scores
    place = np.minimum((scores.probability * 10).astype(int), 9)
    figure, panel = _panel("stated probability of pneumonia", "share with pneumonia")
    panel.plot([0, 1], [0, 1], ":", color="grey")
    bins = [number for number in range(10) if (place == number).any()]
    stated = [scores.probability[place == number].mean() for number in bins]
    observed = [scores.y_true[place == number].mean() for number in bins]
    counts = [int((place == number).sum()) for number in bins]
    panel.plot(stated, observed, "o-")
    for x, y, count in zip(stated, observed, counts, strict=True):
        panel.annotate(str(count), (x, y), fontsize=7)
    _save(figure, file)


def _plot_histogram(evaluation: Evaluation, file: Path) -> None:
    scores = evaluation.scores
    figure, panel = _panel("probability of pneumonia", "images")
    edges = np.linspace(0, 1, 21)
    panel.hist(scores.probability[~scores.y_true], edges, alpha=0.6, label="reference normal")
    panel.hist(scores.probability[scores.y_true], edges, alpha=0.6, label="reference pneumonia")
    panel.axvline(scores.threshold, color="black", linestyle=":")
    panel.set_yscale("log")
    panel.legend()
    _save(figure, file)


def _panel(x: str, y: str):  # type: ignore[no-untyped-def]
    figure, panel = plt.subplots(figsize=(4.5, 4), layout="constrained")
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    return figure, panel


def _save(figure, file: Path) -> None:  # type: ignore[no-untyped-def]
    figure.savefig(file, dpi=100)
    plt.close(figure)
