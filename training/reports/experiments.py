"""Rank training runs by the rule of docs/experiments.md, from what each says of held-out images.

    python -m training.reports.experiments RUNS_FOLDER

Every run folder below it that holds ``configuration.json`` and ``validation.npz`` becomes a row of
``models/reports/experiments.json``, best score first. Nothing is trained or predicted.
"""

import argparse
import json
import shlex
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import rankdata

from training.configuration import CONFIGURATION_FILE
from training.metrics import interval
from training.reports.files import REPORTS, read, write
from training.validation import VALIDATION_FILE, Validation

SHIPPED = REPORTS / "run" / CONFIGURATION_FILE
FIGURES = ("pneumonia", "kind", "adults")
RESAMPLES = 200

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def main() -> None:
    """Measure every run of a folder and write the report."""
    parser = argparse.ArgumentParser(description="Rank the training runs of a folder.")
    parser.add_argument("folder", type=Path, help="whose folders are runs")
    arguments = parser.parse_args()
    shipped = read(SHIPPED) if SHIPPED.is_file() else None
    report = experiments(arguments.folder, shipped)
    if not report["runs"]:
        parser.error(f"{arguments.folder} holds no finished run of `pneumonia train`")
    for row in report["runs"]:
        print(row["run"], *(f"{name} {row[name]['value']:.4f}" for name in FIGURES if row[name]))
    write(REPORTS / "experiments.json", report, place=False)


def experiments(folder: Path, shipped: dict[str, Any] | None) -> dict[str, Any]:
    """The rows of all finished runs, best score first, and the spreads of those of one recipe.

    Args:
        folder: holds the run folders.
        shipped: configuration of the run that ships; None where it is not known.
    """
    found = [
        (read(path / CONFIGURATION_FILE), path)
        for path in sorted(folder.iterdir())
        if (path / CONFIGURATION_FILE).is_file() and (path / VALIDATION_FILE).is_file()
    ]
    rows = [
        {
            "run": path.name,
            "command": _shown(made.get("command")),
            "chosen": shipped is not None and _identity(made) == _identity(shipped),
            **figures(Validation.load(path / VALIDATION_FILE), made["sources"][0]),
        }
        for made, path in found
    ]
    spreads = {name: _spreads(found, rows, name) for name in ("seeds", "folds", "repeats")}
    rows.sort(key=lambda row: row["score"]["value"] if row["score"] else 0.0, reverse=True)
    return {"runs": rows, **spreads}


def figures(validation: Validation, source: str) -> dict[str, Any]:
    """The figures of the rule, each averaged over the clean images and all shifts.

    Args:
        validation: of a run.
        source: name of the children's data set; all other images are the adults'.

    Returns:
        ``pneumonia``, ``kind``, ``adults`` and ``score`` with 95 % intervals by bootstrap over
        patients, each None where there are no such images; ``worst``, the shift under which the
        children's AUROC is lowest.
    """
    probabilities = softmax(validation.logits.astype(np.float64), axis=2)
    y_true = validation.targets[:, 0] < 0.5
    children = validation.sources == source
    known = children & y_true & (validation.targets.max(axis=1) > 0.99)
    pneumonia = 1 - probabilities[..., 0]
    viral = probabilities[..., 2] / np.maximum(probabilities[..., 1:].sum(axis=2), 1e-12)
    parts = {
        "pneumonia": (children, y_true, pneumonia),
        "kind": (known, validation.targets[:, 2] > 0.5, viral),
        "adults": (~children, y_true, pneumonia),
    }

    def mean(name: str, rows: Rows) -> float:
        which, positive, score = parts[name]
        rows = rows[which[rows]]
        return float(np.mean(aurocs(positive[rows], score[:, rows])))

    def score(rows: Rows) -> float:
        return statistics.fmean(mean(name, rows) for name in FIGURES)

    everyone = np.arange(len(y_true))
    found: dict[str, Any] = {}
    for name in FIGURES:

        def one(rows: Rows, name: str = name) -> float:
            return mean(name, rows)

        defined = not np.isnan(one(everyone))
        found[name] = (
            interval(one, validation.groups, resamples=RESAMPLES).model_dump() if defined else None
        )
    whole = all(found[name] for name in FIGURES)
    found["score"] = (
        interval(score, validation.groups, resamples=RESAMPLES).model_dump() if whole else None
    )
    each = aurocs(y_true[children], pneumonia[:, children])
    worst = int(each.argmin())
    return {**found, "worst": {"shift": validation.shifts[worst], "auroc": float(each[worst])}}


def aurocs(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """AUROC of each row of ``[S, N]`` scores for the same truth ``[N]``; NaN without both classes.

    By ranks (Mann and Whitney 1947), all rows at once.
    """
    y_true = int(positive.sum())
    well = len(positive) - y_true
    if not y_true or not well:
        return np.full(len(scores), np.nan)
    ranks = rankdata(scores, axis=1)[:, positive].sum(axis=1)
    values: Floats = (ranks - y_true * (y_true + 1) / 2) / (y_true * well)
    return values


def _spreads(
    found: list[tuple[dict[str, Any], Path]], rows: list[dict[str, Any]], over: str
) -> list[dict[str, Any]]:
    """The spread of each group of runs that differ in the seed or the fold alone, or in nothing."""
    groups: dict[str, dict[int, dict[str, Any]]] = {}
    for (made, _), row in zip(found, rows, strict=True):
        group = groups.setdefault(_identity(made, but=over), {})
        values = {"seeds": made["recipe"]["seed"], "folds": made["fold"], "repeats": len(group)}
        group.setdefault(values[over], row)  # a repeat must not count twice
    return [_spread(list(group.values())) for group in groups.values() if len(group) > 1]


def _spread(group: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation of runs that differ in one thing at most."""
    found: dict[str, Any] = {"runs": [row["run"] for row in group]}
    for name in ("score", *FIGURES):
        values = [row[name]["value"] for row in group if row[name]]
        found[name] = (
            {"mean": statistics.fmean(values), "deviation": statistics.stdev(values)}
            if len(values) > 1
            else None
        )
    return found


def _identity(made: dict[str, Any], but: str | None = None) -> str:
    """Recipe and images of a run as text, apart from its seed or from which fold it held out."""
    recipe = {"teachers": [], **made["recipe"]}  # earlier runs do not name teachers
    if but == "seeds":
        recipe["seed"] = None
    # the images that were learnt from follow from the fold
    keys = ("sources", "folds", "limit") if but == "folds" else ("training_fingerprint",)
    images = [made[key] for key in keys]
    return json.dumps([recipe, made["also_times"], images], sort_keys=True)


def _shown(command: str | None) -> str | None:
    """The command without the places of folders and without ``--out``, which is the run's name."""
    if command is None:
        return None
    words = [Path(word).name if "/" in word else word for word in shlex.split(command)]
    if "--out" in words:
        place = words.index("--out")
        del words[place : place + 2]
    return shlex.join(words)


if __name__ == "__main__":
    main()
