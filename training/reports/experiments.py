"""Rank training runs by the rule of docs/experiments.md, from what each says of held-out images.

    python -m training.reports.experiments RUNS_FOLDER

Every run folder below it that holds ``configuration.json`` and ``validation.npz`` becomes a row of
``models/reports/experiments.json``, best score first. Nothing is trained or predicted.
"""

import argparse
import shlex
import statistics
from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import rankdata

from training.configuration import CONFIGURATION_FILE, VALIDATION_FILE, RunConfiguration
from training.metrics import interval
from training.reports.files import REPORTS, write
from training.validation import Validation

FIGURES = ("pneumonia", "subtype", "adults")
RESAMPLES = 200

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def main() -> None:
    """Measure every run of a folder and write the report."""
    parser = argparse.ArgumentParser(description="Rank the training runs of a folder.")
    parser.add_argument("folder", type=Path, help="whose folders are runs")
    folder: Path = parser.parse_args().folder
    report = experiments(folder, RunConfiguration.read(REPORTS / "run"))
    if not report["runs"]:
        parser.error(f"{folder} holds no finished run of `pneumonia train`")
    for row in report["runs"]:
        print(row["run"], *(f"{name} {row[name]['value']:.4f}" for name in FIGURES if row[name]))
    write(REPORTS / "experiments.json", report, place=False)


def experiments(folder: Path, shipped: RunConfiguration) -> dict[str, Any]:
    """The rows of all finished runs, best score first, and the spreads of those of one recipe.

    Args:
        folder: holds the run folders.
        shipped: configuration of the run that ships.
    """
    found = [
        (path, RunConfiguration.read(path))
        for path in sorted(folder.iterdir())
        if (path / CONFIGURATION_FILE).is_file() and (path / VALIDATION_FILE).is_file()
    ]
    rows = [
        {
            "run": path.name,
            "command": _shown(made.command),
            "chosen": _identity(made) == _identity(shipped),
            **figures(Validation.load(path / VALIDATION_FILE), made.sources[0]),
        }
        for path, made in found
    ]
    made_rows = [(made, row) for (_, made), row in zip(found, rows, strict=True)]
    spreads = {name: _spreads(made_rows, name) for name in ("seeds", "folds", "repeats")}
    rows.sort(key=lambda row: row["score"]["value"] if row["score"] else 0.0, reverse=True)
    return {"runs": rows, **spreads}


def figures(validation: Validation, source: str) -> dict[str, Any]:
    """The figures of the rule, each averaged over the clean images and all shifts.

    Args:
        validation: of a run.
        source: name of the children's data set; all other images are the adults'.

    Returns:
        ``pneumonia``, ``subtype``, ``adults`` and ``score`` with 95 % intervals by bootstrap over
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
        "subtype": (known, validation.targets[:, 2] > 0.5, viral),
        "adults": (~children, y_true, pneumonia),
    }

    def mean(names: tuple[str, ...], rows: Rows) -> float:
        values = []
        for which, positive, score in map(parts.__getitem__, names):
            chosen = rows[which[rows]]
            values.append(aurocs(positive[chosen], score[:, chosen]).mean())
        return float(np.mean(values))

    found: dict[str, Any] = {}
    for title, names in {**{name: (name,) for name in FIGURES}, "score": FIGURES}.items():
        figure = partial(mean, names)
        defined = not np.isnan(figure(np.arange(len(y_true))))
        found[title] = (
            interval(figure, validation.groups, resamples=RESAMPLES).model_dump()
            if defined
            else None
        )
    each = aurocs(y_true[children], pneumonia[:, children])
    worst = int(each.argmin())
    return {**found, "worst": {"shift": validation.shifts[worst], "auroc": float(each[worst])}}


def aurocs(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """AUROC of each row of ``[S, N]`` scores for the same truth ``[N]``; NaN without both classes.

    By ranks (Mann and Whitney 1947), all rows at once.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return np.full(len(scores), np.nan)
    ranks = rankdata(scores, axis=1)[:, positive].sum(axis=1)
    values: Floats = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    return values


def _spreads(
    made_rows: list[tuple[RunConfiguration, dict[str, Any]]], over: str
) -> list[dict[str, Any]]:
    """The spread of each group of runs that differ in the seed or the fold alone, or in nothing."""
    groups: dict[Hashable, dict[int, dict[str, Any]]] = {}
    for made, row in made_rows:
        group = groups.setdefault(_identity(made, but=over), {})
        values = {"seeds": made.recipe.seed, "folds": made.fold, "repeats": len(group)}
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


def _identity(made: RunConfiguration, but: str | None = None) -> Hashable:
    """Recipe and images of a run, apart from its seed or from which fold it held out."""
    recipe = replace(made.recipe, seed=0) if but == "seeds" else made.recipe
    # the images that were learnt from follow from the fold
    choice = (made.sources, made.folds, made.limit)
    images = choice if but == "folds" else made.training_fingerprint
    return recipe, made.also_times, images


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
