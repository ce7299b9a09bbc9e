"""What becomes of every DICOM file that pydicom and pydicom-data ship, written to a report.

    python -m tests.dicom_matrix

Each file is read as it is, and once more as if it were a chest radiograph (its modality and body
part changed in the header), which shows its transfer syntax at work. `docs/dicom.md` shows the
report, and a test fails where it is not what the decoder does now.
"""

from collections import defaultdict
from typing import Any

from service.errors import PneumoniaError
from service.imaging.decode import decode
from service.imaging.dicom_header import read_header, short
from service.imaging.dicom_pixels import SYNTAXES, transfer_syntax
from service.imaging.dicom_pool import DicomPool
from service.imaging.radiograph import Limits
from tests.dicom_files import as_radiograph, real_files
from training.reports.files import RESULTS, table, write

REPORT = RESULTS / "dicom_matrix.json"
_SHOWN_EXAMPLES = 3

Row = dict[str, Any]


def main() -> None:
    """Write ``dicom_matrix.json``."""
    write(REPORT, measure())


def measure() -> dict[str, list[Row]]:
    """What becomes of each file, as it is and as a chest radiograph."""
    return {"files": matrix(), "as_radiographs": as_radiographs()}


def matrix() -> list[Row]:
    """What becomes of each file as it is: its answer's code, and its sentence or warnings."""
    with DicomPool() as pool:
        return [_row(name, path.read_bytes(), pool) for name, path in real_files().items()]


def as_radiographs() -> list[Row]:
    """The files that are read as chest radiographs, whatever they are."""
    rows = []
    with DicomPool() as pool:
        for name, path in real_files().items():
            data = as_radiograph(path.read_bytes())
            if _row(name, data, pool)["code"] == "read":
                header = read_header(data)
                bits = short(header, "BitsStored") or 0
                signed = short(header, "PixelRepresentation") == 1
                syntax = transfer_syntax(header)
                rows.append({"file": name, "syntax": syntax, "bits": bits, "signed": signed})
    return rows


def files_block(report: dict[str, list[Row]]) -> str:
    """How the files are answered, a table with one line for each answer."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in report["files"]:
        groups[row["code"], row["detail"]].append(row["file"].rpartition("/")[2])
    ordered = sorted(groups, key=lambda one: (one[0] != "read", one[0], -len(groups[one]), one[1]))
    rows = [
        [
            f"`{code}`",
            str(len(groups[code, detail])),
            ", ".join(f"`{name}`" for name in groups[code, detail][:_SHOWN_EXAMPLES]),
            detail,
        ]
        for code, detail in ordered
    ]
    return table(["answer", "files", "among them", "reason"], rows)


def syntaxes_block(report: dict[str, list[Row]]) -> str:
    """The transfer syntaxes that are read, a table, with the real files that show it."""
    rows = []
    for uid in SYNTAXES:
        files = [row for row in report["as_radiographs"] if row["syntax"] == uid]
        kinds = sorted({(row["bits"], row["signed"]) for row in files})
        bits = ", ".join(f"{bits}{' signed' if signed else ''}" for bits, signed in kinds)
        rows.append([uid.name, uid, str(len(files) or "synthetic only"), bits])
    return table(["transfer syntax", "UID", "real files", "bits stored"], rows)


def _row(name: str, data: bytes, pool: DicomPool) -> Row:
    try:
        radiograph = decode(data, Limits(), pool=pool)
    except PneumoniaError as error:
        return {"file": name, "code": error.code, "detail": error.detail}
    warnings = ", ".join(f"`{warning.code}`" for warning in radiograph.warnings)
    return {"file": name, "code": "read", "detail": f"warnings: {warnings}" if warnings else ""}


if __name__ == "__main__":
    main()
