"""Fill the marked blocks of the documents from report files, or check that they are filled.

    python -m benchmarks.publish [--check]

A block is what stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->`, each on a line of
its own; `BLOCKS` says what writes it. Numbers in prose come from here and are never typed.
"""

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import (
    dicom_matrix,
    dicom_reader,
    model_blocks,
    operations_blocks,
    performance_blocks,
    recipe_blocks,
)
from benchmarks.report import ROOT, read_report
from service.settings import Settings

Writer = Callable[[], str]

_BLOCK = re.compile(
    r"^<!-- begin: (?P<name>\S+) -->\n(?P<text>.*?)^<!-- end: (?P=name) -->$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"^<!-- (begin|end): \S+ -->$", re.MULTILINE)


class PublishError(Exception):
    """A document or a report is not as it must be; the sentence says what to do."""


def startup() -> str:
    """Start to ready, one sentence."""
    report = _report("startup", "make bench-startup")
    return (
        f"Start to ready: {report['median_seconds']:.2f} s, the median of "
        f"{len(report['runs_seconds'])} starts ({report['low_seconds']:.2f} to "
        f"{report['high_seconds']:.2f} s); left alone it uses "
        f"{report['idle_percent_of_a_core']:.1f}% of a core, {_place(report)}."
    )


def memory() -> str:
    """Resident memory, one sentence."""
    report = _report("memory", "make bench-memory")
    return (
        f"Resident memory: {report['after_megabytes']} MB after "
        f"{report['predictions'] + report['refused']:,} requests with {report['images']} "
        f"({report['ready_megabytes']} MB when ready, {report['peak_megabytes']} MB at the peak), "
        f"{_place(report)}."
    )


def settings() -> str:
    """The settings of the service, a table."""
    rows = ["| variable | default | values | meaning |", "|---|---|---|---|"]
    meanings = _docstrings()
    for name, entry in Settings.model_json_schema()["properties"].items():
        meaning = " ".join(meanings[name].replace("``", "`").split())
        rows.append(
            f"| `PNEUMONIA_{name.upper()}` | {_default(entry)} | {_values(entry)} | {meaning} |"
        )
    return "\n".join(rows)


BLOCKS: Mapping[str, Writer] = {
    "startup": startup,
    "memory": memory,
    "speed": performance_blocks.speed,
    "speed_line": performance_blocks.speed_line,
    "stages": performance_blocks.stages,
    "peers": performance_blocks.peers,
    "growth": performance_blocks.growth,
    "tuning": performance_blocks.tuning,
    "tradeoff": performance_blocks.tradeoff,
    "drift": performance_blocks.drift,
    "soak": operations_blocks.soak,
    "overload": operations_blocks.overload,
    "fuzz": operations_blocks.fuzz,
    "audit_packages": operations_blocks.audit,
    "settings": settings,
    "answer": model_blocks.answer,
    "results": model_blocks.results,
    "expected": model_blocks.expected,
    "shifts": model_blocks.shifts,
    "coverage": model_blocks.coverage,
    "worst_errors": model_blocks.worst_errors,
    "subgroups": model_blocks.subgroups,
    "audit": model_blocks.audit,
    "operating_points": model_blocks.operating_points,
    "predictive_values": model_blocks.predictive_values,
    "input_check": model_blocks.input_check,
    "out_of_distribution": model_blocks.out_of_distribution,
    "provenance": recipe_blocks.provenance,
    "partitions": recipe_blocks.partitions,
    "experiments": recipe_blocks.experiments,
    "dicom_syntaxes": dicom_matrix.syntaxes_block,
    "dicom_matrix": dicom_matrix.files_block,
    "dicom_reader": dicom_reader.reader_block,
}


def documents(root: Path = ROOT) -> list[Path]:
    """The documents that may hold blocks."""
    named = [root / "README.md", root / "models" / "MODEL_CARD.md"]
    return [path for path in named if path.exists()] + sorted((root / "docs").rglob("*.md"))


def fill(text: str, blocks: Mapping[str, Writer] = BLOCKS) -> str:
    """The document with each of its blocks written anew.

    Raises:
        PublishError: a block nobody writes, a mark without its partner, or a report that is
            missing.
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


def _report(name: str, command: str) -> dict[str, Any]:
    try:
        return read_report(name)
    except FileNotFoundError:
        raise PublishError(f"there is no report {name}.json: run `{command}`") from None


def _place(report: dict[str, Any]) -> str:
    place = report["measured_on"]
    return (
        f"on {place['cores']} cores ({place['processor']}) with ONNX Runtime {place['onnxruntime']}"
    )


def _docstrings() -> dict[str, str]:
    """Setting -> the docstring under it, read here so that the service's start need not."""
    (made,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(made, ast.ClassDef)
    return {
        ast.unparse(setting.target): ast.literal_eval(text.value)
        for setting, text in pairwise(made.body)
        if isinstance(setting, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def _default(entry: dict[str, Any]) -> str:
    value = entry.get("default")
    if value in (None, [], ()):
        return ""
    return f"`{str(value).removeprefix(f'{ROOT}/')}`"


def _values(entry: dict[str, Any]) -> str:
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    low = entry.get("minimum", entry.get("exclusiveMinimum"))
    if low is None:
        return ""
    above = "above " if "exclusiveMinimum" in entry else ""
    return f"{above}{low} to {entry['maximum']}"


if __name__ == "__main__":
    raise SystemExit(main())
