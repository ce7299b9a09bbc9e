"""The report of an evaluation: figures as JSON, a page in Markdown, and plots."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    precision_recall_curve,
    roc_curve,
)

from training.evaluate import Evaluation
from training.metrics import confusion

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
    "class_accuracy": "accuracy, all classes",
    "bacterial_or_viral_auroc": "bacterial or viral, AUROC",
}


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write ``report.json``, ``report.md``, ``answers.csv`` and the plots into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    report = evaluation.to_json()
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "report.md").write_text(to_markdown(evaluation))
    _write_answers(evaluation, folder / "answers.csv")
    for name, plot in _PLOTS.items():
        figure, panel = plt.subplots(figsize=(4.5, 4), layout="constrained")
        plot(evaluation, panel)
        figure.savefig(folder / f"{name}.png", dpi=100)
        plt.close(figure)


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


def to_markdown(evaluation: Evaluation) -> str:
    """The page ``report.md``."""
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
    labels = evaluation.scores.labels.names
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "patient", "truth", "decision", *labels, "distance"])
        for answer in evaluation.answers:
            row = answer.probabilities or ("",) * len(labels)
            writer.writerow(
                [answer.file, answer.patient, answer.truth, answer.decision, *row, answer.distance]
            )


def _plot_roc(evaluation: Evaluation, panel: Axes) -> None:
    scores, figures = evaluation.scores, evaluation.figures
    fpr, tpr, _ = roc_curve(scores.y_true, scores.probability)
    RocCurveDisplay(fpr=fpr, tpr=tpr).plot(panel, plot_chance_level=True)
    if "specificity" in figures and "sensitivity" in figures:
        point = (1 - figures["specificity"].value, figures["sensitivity"].value)
        panel.plot(*point, "o", label=evaluation.operating_point)
    panel.set(xlabel="1 - specificity", ylabel="sensitivity")
    panel.legend()


def _plot_precision_recall(evaluation: Evaluation, panel: Axes) -> None:
    scores = evaluation.scores
    precision, recall, _ = precision_recall_curve(scores.y_true, scores.probability)
    PrecisionRecallDisplay(precision, recall).plot(panel)
    panel.set(xlabel="recall", ylabel="precision")


def _plot_confusion(evaluation: Evaluation, panel: Axes) -> None:
    rows, labels = np.array(confusion(evaluation.scores)), evaluation.scores.labels.names
    ConfusionMatrixDisplay(rows, display_labels=labels).plot(ax=panel, cmap="Greys", colorbar=False)
    panel.set(xlabel="likeliest label", ylabel="reference")


def _plot_reliability(evaluation: Evaluation, panel: Axes) -> None:
    scores = evaluation.scores
    display = CalibrationDisplay.from_predictions(
        scores.y_true, scores.probability, n_bins=10, ax=panel
    )
    counts = np.histogram(scores.probability, np.linspace(0, 1, 11))[0]
    points = zip(display.prob_pred, display.prob_true, counts[counts > 0], strict=True)
    for predicted, observed, count in points:
        panel.annotate(str(count), (predicted, observed), fontsize=7)
    panel.set(xlabel="predicted probability of pneumonia", ylabel="share with pneumonia")


def _plot_histogram(evaluation: Evaluation, panel: Axes) -> None:
    scores = evaluation.scores
    edges = np.linspace(0, 1, 21).tolist()
    panel.hist(scores.probability[~scores.y_true], edges, alpha=0.6, label="reference normal")
    panel.hist(scores.probability[scores.y_true], edges, alpha=0.6, label="reference pneumonia")
    panel.axvline(scores.threshold, color="black", linestyle=":")
    panel.set(xlabel="probability of pneumonia", ylabel="images", yscale="log")
    panel.legend()


_PLOTS: dict[str, Callable[[Evaluation, Axes], None]] = {
    "roc": _plot_roc,
    "precision_recall": _plot_precision_recall,
    "confusion": _plot_confusion,
    "reliability": _plot_reliability,
    "histogram": _plot_histogram,
}
