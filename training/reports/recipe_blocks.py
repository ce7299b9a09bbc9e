"""Blocks about how the model that ships came about, from the reports beside it."""

from typing import Any

from service.settings import DEFAULT_MODEL
from training.configuration import RunConfiguration
from training.reports.files import table
from training.reports.model_blocks import REPORTS, contract, report_of


def provenance() -> str:
    """How the file came about, a table."""
    run, promised = RunConfiguration.read(REPORTS / "run"), contract()
    phases = "; ".join(
        f"{phase.epochs} epoch{'s' * (phase.epochs > 1)} at {phase.size} pixels, "
        f"{phase.freezing}, rate {phase.rate:g}, "
        f"normalisations {'learning' if phase.norms else 'kept'}"
        for phase in run.recipe.phases
    )
    rows = {
        "name and version": f"{promised.name} {promised.version}",
        "created": f"{promised.created:%Y-%m-%d}",
        "network": run.recipe.architecture,
        "input": f"{promised.input.height} x {promised.input.width}, one channel",
        "training images": _training_images(run),
        "validation images": f"{run.validation_images} of {run.validation_patients} other patients",
        "phases": phases,
        "calibration": (
            f"log odds of pneumonia / {promised.temperature:.3f} {promised.offset:+.3f}; "
            f"logits of the subtypes / {promised.subtype_temperature:.3f}"
        ),
        "largest difference between network and file": (
            f"{promised.parity['largest_difference']:.2g} in a probability "
            f"(tolerance {promised.parity['tolerance']:g})"
        ),
        "file size": f"{DEFAULT_MODEL.stat().st_size / 1e6:.1f} MB",
        "libraries": ", ".join(f"{name} {text}" for name, text in promised.libraries.items()),
    }
    return table(["", ""], map(list, rows.items()))


def partitions(report: dict[str, Any]) -> str:
    """How many images the network learnt from, and how many it was validated on, a table."""
    rows = [
        [source, label, *(str(parts.get(part, 0)) for part in ("training", "held_out"))]
        for source, labels in report.items()
        for label, parts in labels.items()
    ]
    return table(["source", "label", "training images", "validation images"], rows)


def _training_images(run: RunConfiguration) -> str:
    counted = report_of("partitions.json")
    images = sum(parts.get("training", 0) for of in counted.values() for parts in of.values())
    others = " and ".join(run.sources[1:])
    repeated = f", of which an epoch shows those of {others} {run.also_times} times"
    return (
        f"{images} images of {run.training_patients} patients from {' and '.join(run.sources)}"
        f"{repeated if others and run.also_times > 1 else ''}; fingerprint "
        f"{run.training_fingerprint[:16]}"
    )
