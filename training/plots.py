"""The plots of an evaluation's report."""

from collections.abc import Callable
from io import BytesIO

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
from training.metrics import confusion, net_benefit

mpl.use("Agg")
from matplotlib import pyplot as plt


def draw(name: str, evaluation: Evaluation) -> bytes:
    """One of ``PLOTS`` as PNG."""
    figure, panel = plt.subplots(figsize=(4.5, 4), layout="constrained")
    PLOTS[name](evaluation, panel)
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    plt.close(figure)
    return stream.getvalue()


def _roc(evaluation: Evaluation, panel: Axes) -> None:
    scores, figures = evaluation.scores, evaluation.figures
    fpr, tpr, _ = roc_curve(scores.y_true, scores.probability)
    area = figures.get("auroc")
    label = f"AUROC {area.value:.3f} ({area.low:.3f} to {area.high:.3f})" if area else "no AUROC"
    RocCurveDisplay(fpr=fpr, tpr=tpr).plot(panel, plot_chance_level=True, name=label)
    if "specificity" in figures and "sensitivity" in figures:
        one, other = figures["sensitivity"].value, figures["specificity"].value
        label = f"{evaluation.operating_point}: sensitivity {one:.3f}, specificity {other:.3f}"
        panel.plot(1 - other, one, "o", label=label)
    panel.set(xlabel="1 - specificity", ylabel="sensitivity")
    panel.legend(fontsize=7, loc="lower right")


def _precision_recall(evaluation: Evaluation, panel: Axes) -> None:
    scores = evaluation.scores
    precision, recall, _ = precision_recall_curve(scores.y_true, scores.probability)
    area = evaluation.figures.get("average_precision")
    label = f"average precision {area.value:.3f}" if area else None
    PrecisionRecallDisplay(precision, recall).plot(panel, name=label)
    share = scores.y_true.mean()
    panel.axhline(share, color="grey", linestyle=":", label=f"prevalence {share:.3f}")
    panel.set(xlabel="recall (sensitivity)", ylabel="precision")
    panel.legend(fontsize=7, loc="lower left")


def _confusion(evaluation: Evaluation, panel: Axes) -> None:
    rows, labels = np.array(confusion(evaluation.scores)), evaluation.scores.labels.names
    _matrix(rows, labels, labels, panel)
    panel.set(xlabel="likeliest label", ylabel="reference")


def _two_by_two(evaluation: Evaluation, panel: Axes) -> None:
    scores = evaluation.scores
    names = ("not " + scores.labels.finding, scores.labels.finding)
    rows = np.array(
        [
            [(wanted & given).sum() for given in (~scores.y_pred, scores.y_pred)]
            for wanted in (~scores.y_true, scores.y_true)
        ]
    )
    _matrix(rows, names, names, panel)
    panel.set(xlabel=f"at the threshold {scores.threshold:.3f}", ylabel="reference")


def _matrix(rows: np.ndarray, across: tuple[str, ...], down: tuple[str, ...], panel: Axes) -> None:
    """Counts with their share of the row."""
    sums = np.maximum(rows.sum(axis=1, keepdims=True), 1)
    display = ConfusionMatrixDisplay(rows / sums, display_labels=across)
    display.plot(ax=panel, cmap="Greys", colorbar=False, im_kw={"vmin": 0, "vmax": 1})
    panel.set_yticklabels(down)
    for row, column in np.ndindex(rows.shape):
        share = rows[row, column] / sums[row, 0]
        display.text_[row, column].set_text(f"{rows[row, column]}\n{share:.1%}")


def _reliability(evaluation: Evaluation, panel: Axes) -> None:
    scores = evaluation.scores
    display = CalibrationDisplay.from_predictions(
        scores.y_true, scores.probability, n_bins=10, ax=panel
    )
    # in the bins of CalibrationDisplay, whose edges belong to the bin below
    counts = np.bincount(np.searchsorted(np.linspace(0, 1, 11)[1:-1], scores.probability))
    points = zip(display.prob_pred, display.prob_true, counts[counts > 0], strict=True)
    for predicted, observed, count in points:
        panel.annotate(str(count), (predicted, observed), fontsize=7)
    finding = scores.labels.finding
    error = evaluation.figures["ece"].value
    panel.set(
        xlabel=f"predicted probability of {finding}",
        ylabel=f"share with {finding}",
        title=f"ECE {error:.3f}",
    )


def _histogram(evaluation: Evaluation, panel: Axes) -> None:
    scores = evaluation.scores
    edges = np.linspace(0, 1, 21).tolist()
    finding = scores.labels.finding
    panel.hist(scores.probability[~scores.y_true], edges, alpha=0.6, label=f"not {finding}")
    panel.hist(scores.probability[scores.y_true], edges, alpha=0.6, label=finding)
    panel.axvline(scores.threshold, color="black", linestyle=":")
    panel.set(xlabel=f"probability of {finding}", ylabel="images", yscale="log")
    panel.legend(title="reference", fontsize=7)


def _decision_curve(evaluation: Evaluation, panel: Axes) -> None:
    scores = evaluation.scores
    thresholds = np.linspace(0.01, 0.99, 99)
    share = scores.y_true.mean()
    panel.plot(thresholds, net_benefit(scores, thresholds), label="by the model")
    panel.plot(
        thresholds, share - (1 - share) * thresholds / (1 - thresholds), ":", label="treat all"
    )
    panel.axhline(0, color="grey", linewidth=1, label="treat none")
    panel.set(
        xlabel="probability from which one would act",
        ylabel="net benefit",
        ylim=(-0.05, max(0.05, 1.1 * share)),
    )
    panel.legend(fontsize=7)


PLOTS: dict[str, Callable[[Evaluation, Axes], None]] = {
    "roc": _roc,
    "precision_recall": _precision_recall,
    "confusion": _confusion,
    "two_by_two": _two_by_two,
    "reliability": _reliability,
    "histogram": _histogram,
    "decision_curve": _decision_curve,
}
