"""``pneumonia compare``: what would change with another model file, before it is used."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.commands.comparison import OUTCOMES, Pair, compare, images_in, summarise, write_csv
from service.errors import InvalidRequest
from service.inference.loading import load_predictor
from service.inference.model import Model
from service.runtime.cpus import busy_threads
from service.settings import read_settings

if TYPE_CHECKING:
    from service.cli import Subparsers

_MOST_LISTED = 20


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "compare",
        description="Run two model files on every image of a folder, exactly as the service does, "
        "and report what would change: decisions, probabilities, refusals, time.",
    )
    parser.add_argument("before", type=Path, metavar="A.onnx", help="the model that is used now")
    parser.add_argument("after", type=Path, metavar="B.onnx", help="the model that might be")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="images, also in subfolders")
    parser.add_argument("--operating-point", default="balanced", help="default: balanced")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write one row an image as CSV")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Print the table; the exit code is 0 whatever changed."""
    settings = read_settings()
    before, after = (
        load_predictor(settings.model_copy(update={"model": path, "model_sha256": None}))
        for path in (arguments.before, arguments.after)
    )
    try:
        pairs = list(
            _progress(
                compare(
                    (before, after),
                    arguments.folder,
                    arguments.operating_point,
                    settings.max_bytes,
                    busy_threads(),
                ),
                len(images_in(arguments.folder)),
            )
        )
    finally:
        before.close()
        after.close()
    report = {
        "before": _describe(before.model, arguments.operating_point),
        "after": _describe(after.model, arguments.operating_point),
        **summarise(pairs),
    }
    sys.stdout.write(table(report, pairs))
    try:
        if arguments.json:
            images = [
                {**asdict(pair), "changed": pair.changed, "difference": pair.difference}
                for pair in pairs
            ]
            text = json.dumps({**report, "by_image": images}, indent=2)
            arguments.json.write_text(f"{text}\n", encoding="utf-8")
        if arguments.csv:
            write_csv(pairs, arguments.csv)
    except OSError as error:
        raise InvalidRequest(f"the report cannot be written: {error.strerror}") from error
    return 0


def _describe(model: Model, point: str) -> dict[str, Any]:
    contract = model.contract
    return {
        "name": contract.name,
        "version": contract.version,
        "sha256": model.sha256,
        "operating_point": point,
        "threshold": contract.operating_point(point).threshold,
    }


def _progress(pairs: Iterable[Pair], total: int) -> Iterator[Pair]:
    """Tell a terminal how far it is."""
    for number, pair in enumerate(pairs, 1):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{number} of {total} images" + "\n" * (number == total))
        yield pair


def table(report: dict[str, Any], pairs: Sequence[Pair]) -> str:
    """The report for a person: which decisions became which, and the images that changed most."""
    lines = [
        "{0}  {1[name]} {1[version]}, sha256 {1[sha256]:.12}, {1[operating_point]} at "
        "{1[threshold]:.4f}".format(which, report[key])
        for which, key in (("A", "before"), ("B", "after"))
    ]
    lines += ["", f"{report['changed']} of {report['images']} images change:", ""]
    lines.append("A \\ B".ljust(11) + "".join(name.rjust(11) for name in OUTCOMES))
    for name in OUTCOMES:
        row = report["decisions"][name]
        lines.append(name.ljust(11) + "".join(str(row[other]).rjust(11) for other in OUTCOMES))
    spread = report["differences"]
    if spread["images"]:
        lines += [
            "",
            "probability, B - A: mean {mean:+.4f}; size: mean {mean_size:.4f}, median "
            "{median_size:.4f}, 95th percentile {p95_size:.4f}, largest {largest:.4f}".format(
                **spread
            ),
        ]
    if report["time"]:
        lines += ["", f"time to read and compute: B takes {report['time']:.2f} of A's"]
    changed = sorted(filter(_changed, pairs), key=_size, reverse=True)
    if changed:
        lines += ["", *map(_line, changed[:_MOST_LISTED])]
    if len(changed) > _MOST_LISTED:
        lines.append(f"... and {len(changed) - _MOST_LISTED} more: --csv lists all")
    return "\n".join(lines) + "\n"


def _changed(pair: Pair) -> bool:
    return pair.changed


def _size(pair: Pair) -> float:
    """How much an image changed: a refusal more than any difference."""
    return 2.0 if pair.difference is None else abs(pair.difference)


def _line(pair: Pair) -> str:
    words = [
        outcome.decision + (f" ({outcome.code})" if outcome.code else f" {outcome.probability:.4f}")
        for outcome in (pair.before, pair.after)
    ]
    return f"{pair.file}: {words[0]} -> {words[1]}"
