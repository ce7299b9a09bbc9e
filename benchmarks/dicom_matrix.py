"""What becomes of every DICOM file that pydicom and pydicom-data ship, written to a report.

    python -m benchmarks.dicom_matrix [--check]

Each file is read as it is, and once more as if it were a chest radiograph (its modality and body
part changed in the header), which shows its transfer syntax at work. `docs/dicom.md` shows the
report; `--check` fails where the report is not what the decoder does now.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TypedDict

from benchmarks.dicom_files import as_radiograph, real_files
from benchmarks.report import RESULTS, read_report, write_report
from service.errors import PneumoniaError
from service.imaging.decode import decode
from service.imaging.dicom_header import read_header, short
from service.imaging.dicom_pixels import SYNTAXES, transfer_syntax
from service.imaging.dicom_pool import DicomPool
from service.imaging.radiograph import Limits

_SHOWN_EXAMPLES = 3


class Row(TypedDict):
    """One file: the answer's code (``read`` or a problem's) and its sentence or warnings."""

    file: str
    code: str
    detail: str


class AsRadiograph(TypedDict):
    """One file that is read once its header says that it is a chest radiograph."""

    file: str
    syntax: str
    bits: int
    signed: bool


def main(arguments: list[str] | None = None) -> int:
    """Write ``dicom_matrix.json``, or compare it."""
    parser = argparse.ArgumentParser(description="Try every DICOM test file.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    options = parser.parse_args(arguments)
    found = {"files": matrix(), "as_radiographs": as_radiographs()}
    if options.check:
        report = read_report("dicom_matrix", options.out)
        stale = {name: report[name] for name in found} != found
        print("stale: run `make bench-dicom`" if stale else "up to date")
        return int(stale)
    print(f"wrote {write_report('dicom_matrix', found, options.out)}")
    return 0


def matrix() -> list[Row]:
    """What becomes of each file as it is."""
    with DicomPool() as pool:
        return [_row(name, path.read_bytes(), pool) for name, path in real_files().items()]


def as_radiographs() -> list[AsRadiograph]:
    """The files that are read as chest radiographs, whatever they are."""
    rows = []
    with DicomPool() as pool:
        for name, path in real_files().items():
            data = as_radiograph(path.read_bytes())
            if _row(name, data, pool)["code"] == "read":
                header = read_header(data)
                rows.append(
                    AsRadiograph(
                        file=name,
                        syntax=transfer_syntax(header),
                        bits=short(header, "BitsStored") or 0,
                        signed=short(header, "PixelRepresentation") == 1,
                    )
                )
    return rows


def files_block() -> str:
    """How the files are answered, a table with one line for each answer."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in read_report("dicom_matrix")["files"]:
        groups[row["code"], row["detail"]].append(row["file"].rpartition("/")[2])
    lines = ["| answer | files | among them | reason |", "|---|---|---|---|"]
    for (code, detail), names in sorted(groups.items(), key=_read_first):
        examples = ", ".join(f"`{name}`" for name in names[:_SHOWN_EXAMPLES])
        lines.append(f"| `{code}` | {len(names)} | {examples} | {detail} |")
    return "\n".join(lines)


def syntaxes_block() -> str:
    """The transfer syntaxes that are read, a table, with the real files that show it."""
    rows: list[AsRadiograph] = read_report("dicom_matrix")["as_radiographs"]
    lines = ["| transfer syntax | UID | real files | their bits |", "|---|---|---|---|"]
    for uid in SYNTAXES:
        of_syntax = [row for row in rows if row["syntax"] == uid]
        kinds = sorted({(row["bits"], row["signed"]) for row in of_syntax})
        bits = ", ".join(f"{bits}{' signed' if signed else ''}" for bits, signed in kinds)
        lines.append(f"| {uid.name} | {uid} | {len(of_syntax) or 'made ones only'} | {bits} |")
    return "\n".join(lines)


def _row(name: str, data: bytes, pool: DicomPool) -> Row:
    try:
        radiograph = decode(data, Limits(), pool=pool)
    except PneumoniaError as error:
        return Row(file=name, code=error.code, detail=error.detail)
    warnings = ", ".join(f"`{warning.code}`" for warning in radiograph.warnings)
    return Row(file=name, code="read", detail=f"warnings: {warnings}" if warnings else "")


def _read_first(group: tuple[tuple[str, str], list[str]]) -> tuple[bool, str, int, str]:
    (code, detail), names = group
    return code != "read", code, -len(names), detail


if __name__ == "__main__":
    raise SystemExit(main())
