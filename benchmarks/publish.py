"""Fill the marked blocks of the documents from report files, or check that they are filled.

    python -m benchmarks.publish [--check]

A block is what stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->`, each on a line of
its own; `BLOCKS` says what writes it. Numbers in prose come from here and are never typed.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import blocks, scaling_day, sizing
from tests import dicom_matrix
from training.reports import model_blocks, recipe_blocks, small_data, yardstick_blocks
from training.reports.files import REPORTS, RESULTS, ROOT, read

_BLOCK = re.compile(
    r"^<!-- begin: (?P<name>\S+) -->\n(?P<text>.*?)^<!-- end: (?P=name) -->$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"^<!-- (begin|end): \S+ -->$", re.MULTILINE)


class PublishError(Exception):
    """A document or a report is not as it must be; the sentence says what to do."""


def told(
    write: Callable[[dict[str, Any]], str], file: Path, command: str = "model-report"
) -> Callable[[], str]:
    """What writes a block from a report, or how to get one where there is none."""

    def written() -> str:
        if not file.is_file():
            return f"*Not measured yet with this model: `make {command}` does, then `make docs`.*"
        return write(read(file))

    return written


def sized(write: Callable[[sizing.Measured, sizing.Assumptions], str]) -> Callable[[], str]:
    """What writes a block of the sizing, with the assumptions of the documents."""
    return lambda: write(sizing.measured(), sizing.Assumptions())


BLOCKS: Mapping[str, Callable[[], str]] = {
    "startup": told(blocks.startup, RESULTS / "startup.json", "bench-startup"),
    "memory": told(blocks.memory, RESULTS / "memory.json", "bench-memory"),
    "speed": told(blocks.speed, RESULTS / "speed.json", "bench"),
    "speed_line": told(blocks.speed_line, RESULTS / "speed.json", "bench"),
    "stages": told(blocks.stages, RESULTS / "speed.json", "bench"),
    "peers": told(blocks.peers, RESULTS / "peers.json", "bench-peers"),
    "growth": told(blocks.growth, RESULTS / "growth.json", "bench-growth"),
    "tuning": told(blocks.tuning, RESULTS / "tuning.json", "bench-tuning"),
    "soak": told(blocks.soak, RESULTS / "soak.json", "soak"),
    "overload": told(blocks.overload, RESULTS / "overload.json", "overload"),
    "tradeoff": told(model_blocks.tradeoff, REPORTS / "tradeoff.json", "bench-tradeoff"),
    "drift": told(model_blocks.drift, RESULTS / "drift.json", "bench-drift"),
    "platforms": told(blocks.platforms, RESULTS / "platforms.json", "platforms"),
    "ray_engine": told(blocks.ray_engine, RESULTS / "ray_engine.json", "bench-ray"),
    "scale_assumptions": sized(sizing.assumptions_table),
    "scale_archives": sized(sizing.archives_table),
    "scale_requests": sized(sizing.fleets_table),
    "scale_limits": sized(sizing.limits_table),
    "scale_waits": sized(scaling_day.waits_table),
    "scale_day": sized(scaling_day.day_table),
    "settings": blocks.settings,
    "pacs_settings": blocks.pacs_settings,
    "answer": told(model_blocks.answer, REPORTS / "answer.json"),
    "reference": told(model_blocks.reference, REPORTS / "answer.json"),
    "refusal": told(model_blocks.refusal, REPORTS / "answer.json"),
    "results": model_blocks.results,
    "expected": told(model_blocks.expected, REPORTS / "expected.json"),
    "assumptions": told(model_blocks.assumptions, REPORTS / "expected.json"),
    "conflicting": told(model_blocks.conflicting, REPORTS / "children/conflicting.json"),
    "elsewhere": told(model_blocks.elsewhere, REPORTS / "yardstick/shipped.json"),
    "sealed": told(model_blocks.sealed, REPORTS / "sealed.json"),
    "sealed_line": told(model_blocks.sealed_line, REPORTS / "sealed.json"),
    "shifts": told(model_blocks.shifts, REPORTS / "children/shifts.json"),
    "coverage": told(model_blocks.coverage, REPORTS / "children/decisions.json"),
    "worst_errors": told(model_blocks.worst_errors, REPORTS / "children/decisions.json"),
    "subgroups": model_blocks.subgroups,
    "audit": told(model_blocks.audit, REPORTS / "children/audit.json"),
    "operating_points": model_blocks.operating_points,
    "uncertain_band": model_blocks.uncertain_band,
    "subtypes": model_blocks.subtypes,
    "predictive_values": model_blocks.predictive_values,
    "input_check": told(model_blocks.input_check, REPORTS / "run/input_check.json"),
    "lungs": told(model_blocks.lungs, REPORTS / "run/lungs.json"),
    "anatomy_free": told(model_blocks.anatomy_free, REPORTS / "shortcuts.json"),
    "out_of_distribution": told(
        model_blocks.out_of_distribution, REPORTS / "children/out_of_distribution.json"
    ),
    "provenance": recipe_blocks.provenance,
    "partitions": told(recipe_blocks.partitions, REPORTS / "partitions.json"),
    "small_data": told(small_data.block, REPORTS / "small_data.json", "bench-small-data"),
    "levers": told(yardstick_blocks.levers, REPORTS / "yardstick/levers.json", "yardstick"),
    "longer": told(yardstick_blocks.levers, REPORTS / "yardstick/longer.json", "yardstick"),
    "longer_exported": told(
        yardstick_blocks.shipped, REPORTS / "yardstick/longer_exported.json", "yardstick"
    ),
    "smaller": told(yardstick_blocks.levers, REPORTS / "yardstick/smaller.json", "yardstick"),
    "seeds": told(yardstick_blocks.levers, REPORTS / "yardstick/seeds.json", "yardstick"),
    "confirmed": told(yardstick_blocks.levers, REPORTS / "yardstick/confirmed.json", "yardstick"),
    "folds": told(yardstick_blocks.levers, REPORTS / "yardstick/folds.json", "yardstick"),
    "clusters": told(yardstick_blocks.levers, REPORTS / "yardstick/clusters.json", "yardstick"),
    "without_nih": told(
        yardstick_blocks.levers, REPORTS / "yardstick/without_nih.json", "yardstick"
    ),
    "borders_left": told(
        yardstick_blocks.shipped, REPORTS / "yardstick/borders_left.json", "yardstick"
    ),
    "borders": told(yardstick_blocks.levers, REPORTS / "yardstick/borders.json", "yardstick"),
    "yardstick": told(yardstick_blocks.shipped, REPORTS / "yardstick/shipped.json", "yardstick"),
    "dicom_syntaxes": told(dicom_matrix.syntaxes_block, dicom_matrix.REPORT, "bench-dicom"),
    "dicom_matrix": told(dicom_matrix.files_block, dicom_matrix.REPORT, "bench-dicom"),
    "dicom_reader": told(blocks.dicom_reader, RESULTS / "dicom_reader.json", "bench-dicom"),
}


def documents() -> list[Path]:
    """The documents that may hold blocks."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", ROOT / "models" / "MODEL_CARD.md", *docs]


def fill(text: str, blocks: Mapping[str, Callable[[], str]] = BLOCKS) -> str:
    """The document with each of its blocks written anew.

    Raises:
        PublishError: a block nobody writes, or a mark without its partner.
    """

    def written(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in blocks:
            raise PublishError(f"no block is called {name}: there are {', '.join(blocks)}")
        return f"<!-- begin: {name} -->\n{blocks[name]()}\n<!-- end: {name} -->"

    filled, pairs = _BLOCK.subn(written, text)
    if len(_MARK.findall(text)) != 2 * pairs:
        raise PublishError("a begin or end mark stands without its partner")
    return filled


def main() -> int:
    """Fill all blocks, or with ``--check`` name the documents whose blocks are not up to date."""
    parser = argparse.ArgumentParser(description="Fill the marked blocks of the documents.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    check: bool = parser.parse_args().check
    stale = []
    for path in documents():
        text = path.read_text(encoding="utf-8")
        try:
            filled = fill(text)
        except PublishError as error:
            print(f"{path.relative_to(ROOT)}: {error}", file=sys.stderr)
            return 1
        if filled != text:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(filled, encoding="utf-8")
    if check and stale:
        print(f"stale: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1
    print(f"{'up to date' if not stale else 'wrote ' + ', '.join(stale)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
