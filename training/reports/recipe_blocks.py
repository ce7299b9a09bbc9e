"""Blocks about how the model that ships came about, from the reports beside it."""

from pathlib import Path
from typing import Any

from service.settings import DEFAULT_MODEL
from training.reports.files import table
from training.reports.model_blocks import contract, report_of, rounded_rate


def provenance() -> str:
    """How the file came about, a table."""
    configuration, promised = report_of("run/configuration.json"), contract()
    recipe = configuration["recipe"]
    stretches = _stretches(configuration)
    phases = "; ".join(
        f"{phase['epochs']} epoch{'s' * (phase['epochs'] > 1)} at {phase['size']} pixels, "
        f"{phase['frozen']} blocks frozen, rate {phase['rate']:g}, "
        f"normalisations {'learning' if phase['norms'] else 'kept'}"
        for stretch in stretches
        for phase in stretch["recipe"]["phases"]
    )
    rows = {
        "name and version": f"{promised.name} {promised.version}",
        "created": f"{promised.created:%Y-%m-%d}",
        "network": recipe["architecture"],
        "input": f"{promised.input.height} x {promised.input.width}, one channel",
        "training images": _training_images(configuration),
        "validation images": f"{configuration['validation_images']} of "
        f"{configuration['validation_patients']} other patients",
        "phases": phases,
        "networks whose mean the last phase starts from": len(recipe.get("start") or []),
        "calibration": (
            f"log odds of pneumonia / {promised.temperature:.3f} {promised.offset:+.3f}; "
            f"logits of the kinds / {promised.subtype_temperature:.3f}"
        ),
        "largest difference between network and file": (
            f"{promised.parity['largest_difference']:.2g} in a probability "
            f"(tolerance {promised.parity['tolerance']:g})"
        ),
        "file size": f"{DEFAULT_MODEL.stat().st_size / 1e6:.1f} MB",
        "libraries": ", ".join(f"{name} {text}" for name, text in promised.libraries.items()),
    }
    return table(["", ""], [[name, str(text)] for name, text in rows.items()])


def experiments() -> str:
    """Every run by the rule of choice, best first, and how far those of one recipe differ."""
    report = report_of("experiments.json")
    names = ("score", "pneumonia", "kind", "adults")
    figures = ["score", "pneumonia or not", "bacterial or viral", "adults"]
    rows = [
        [
            f"**{row['run']}**, ships" if row["chosen"] else row["run"],
            *(rounded_rate(row[one]) if row[one] else "-" for one in names),
            f"{row['worst']['shift']} {row['worst']['auroc']:.3f}",
            f"`{row['command']}`" if row["command"] else "not recorded",
        ]
        for row in report["runs"]
    ]
    tables = [table(["run", *figures, "worst shift", "command"], rows)]
    spreads = {
        "seeds": "in the seed alone",
        "folds": "in the patients held out alone",
        "repeats": "in nothing",
    }
    for key, what in spreads.items():
        rows = [
            [
                ", ".join(row["runs"]),
                *(
                    f"{row[one]['mean']:.3f} ± {row[one]['deviation']:.3f}" if row[one] else "-"
                    for one in names
                ),
            ]
            for row in report[key]
        ]
        if rows:
            tables.append(table([f"runs that differ {what}", *figures], rows))
    return "\n\n".join(tables)


def partitions() -> str:
    """How many images the network learnt from, and how many it was validated on, a table."""
    rows = [
        [source, label, *(str(parts.get(part, 0)) for part in ("training", "held_out"))]
        for source, labels in report_of("partitions.json").items()
        for label, parts in labels.items()
    ]
    return table(["source", "label", "training images", "validation images"], rows)


def _training_images(configuration: dict[str, Any]) -> str:
    counted = report_of("partitions.json")
    images = sum(parts.get("training", 0) for of in counted.values() for parts in of.values())
    first, *others = configuration["sources"]
    times = configuration["also_times"]
    repeated = f", of which an epoch shows those of {' and '.join(others)} {times} times"
    told = configuration["training_images"]
    return (
        f"{images} images of {configuration['training_patients']} patients from "
        f"{' and '.join([first, *others])}{repeated if others and times > 1 else ''}"
        f"{f' (the file says {told}, each repeat counted)' if told != images else ''}; fingerprint "
        f"{configuration['training_fingerprint'][:16]}"
    )


def _stretches(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    """A run and those it started from, first to last; starts that differ in the seed are one."""
    start = configuration["recipe"].get("start")
    if not start:
        return [configuration]
    before = report_of(f"{Path(start[0]).parent.name}/configuration.json")
    return [*_stretches(before), configuration]
