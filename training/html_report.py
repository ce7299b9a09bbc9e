"""An evaluation as one HTML file with everything in it, to be read on this machine.

It shows images of patients: it is written beside the report and sent nowhere.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image

from service.errors import PneumoniaError
from service.imaging.decode import decode
from service.imaging.radiograph import Limits
from service.inference.operating_point import Rate
from training.advice import Advice
from training.evaluate import Answer, Evaluation
from training.plots import PLOTS, draw
from training.subgroups import subgroups

_ERRORS = 12  # thumbnails of each kind
_THUMBNAIL = 160
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f24; background: #fff; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #d6dade; text-align: left; }
td { font-variant-numeric: tabular-nums; }
.plots, .errors { display: flex; flex-wrap: wrap; gap: 1rem; }
.plots img { width: 19rem; }
figure { margin: 0; width: 10rem; font-size: 12px; overflow-wrap: anywhere; }
figure img { width: 100%; }
.advice { border-left: 4px solid #1f6feb; padding: .2rem 1rem; }
"""


def to_html(evaluation: Evaluation, advice: Advice, titles: dict[str, str]) -> str:
    """The page ``report.html``.

    Args:
        evaluation: of a model on labelled images.
        advice: what follows from it.
        titles: names of figures, in the order in which they are shown.
    """
    report = evaluation.to_json()
    figures = [
        (title, *_three(evaluation.figures[name]))
        for name, title in titles.items()
        if name in evaluation.figures
    ]
    classes = [
        (label, f"{row['images']:.0f}", *map(number, list(row.values())[1:]))
        for label, row in report["per_class"].items()  # type: ignore[attr-defined]
    ]
    groups = [
        (
            *(group.by, group.name, str(group.images)),
            *(_short(group.figures.get(name)) for name in ("auroc", "sensitivity", "specificity")),
            str(group.refused),
        )
        for group in subgroups(evaluation)
    ]
    title = escape(f"{evaluation.model} on {evaluation.data}")
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>
<body><h1>{title}</h1>
<p>{report["images"]} images of {report["patients"]} patients, {report["prevalence"]:.1%} of those
answered with {escape(evaluation.scores.labels.finding)}; {report["refused"]} refused,
{report["uncertain"]} answered uncertain. Operating point {escape(evaluation.operating_point)}:
threshold {evaluation.threshold:.4f}. Intervals are 95 % intervals by bootstrap over patients.</p>
{_advice(advice)}
<h2>Figures</h2>{_table(("figure", "value", "95 % interval"), figures)}
<h2>Labels</h2>
{_table(("label", "images", "sensitivity", "precision", "AUROC against the rest"), classes)}
<h2>Sources and subgroups</h2>
{_table(("by", "", "images", "AUROC", "sensitivity", "specificity", "refused"), groups)}
<h2>Plots</h2><div class="plots">{"".join(_plot(name, evaluation) for name in PLOTS)}</div>
<h2>Surest errors</h2><p>Patients' images: this file stays on this machine.</p>
<div class="errors">{"".join(map(_error, surest_errors(evaluation)))}</div>
</body></html>
"""


def surest_errors(evaluation: Evaluation, most: int = _ERRORS) -> list[tuple[Answer, float]]:
    """Answers on the wrong side of the threshold with the probability of disease, the surest ones
    first, at most so many of each kind.
    """
    scores = evaluation.scores
    answered = [one for one in evaluation.answers if one.probabilities is not None]
    found = []
    for wrong in (scores.y_pred & ~scores.y_true, ~scores.y_pred & scores.y_true):
        rows = np.flatnonzero(wrong)
        rows = rows[np.argsort(-np.abs(scores.probability[rows] - scores.threshold))][:most]
        found += [(answered[row], float(scores.probability[row])) for row in rows]
    return found


def number(value: float) -> str:
    """Three digits, or a dash for what is undefined."""
    return "-" if np.isnan(value) else f"{value:.3f}"


def _advice(advice: Advice) -> str:
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in advice.reasons)
    return (
        f'<div class="advice"><h2>What to do: {escape(advice.verdict)}</h2><ul>{reasons}</ul>'
        f"<p>{escape(advice.what_to_do)}</p><p>{escape(advice.how_many)}</p></div>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{lines}</table>"


def _three(rate: Rate) -> tuple[str, str]:
    return number(rate.value), f"{number(rate.low)} to {number(rate.high)}"


def _short(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"


def _plot(name: str, evaluation: Evaluation) -> str:
    return _image(draw(name, evaluation), "png", name.replace("_", " "))


def _error(found: tuple[Answer, float]) -> str:
    answer, probability = found
    caption = f"{answer.file}: {answer.truth}, answered {answer.decision} ({probability:.3f})"
    image = ""
    if answer.sample is not None:
        try:
            shown = decode(answer.sample.path.read_bytes(), Limits(), _THUMBNAIL).image
        except (PneumoniaError, OSError):
            shown = None
        if shown is not None:
            stream = BytesIO()
            grey = Image.fromarray(np.asarray(shown.convert("L")))
            grey.thumbnail((_THUMBNAIL, _THUMBNAIL))
            grey.save(stream, "JPEG", quality=80)
            image = _image(stream.getvalue(), "jpeg", "")
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _image(data: bytes, kind: str, name: str) -> str:
    return f'<img alt="{escape(name)}" src="data:image/{kind};base64,{b64encode(data).decode()}">'
