"""Known vulnerabilities of the pinned packages, and the bill of materials of what is served.

    python -m benchmarks.audit

pip-audit asks a vulnerability database about every pin of requirements/*.txt; CycloneDX writes what
the container image installs to build/sbom.json. The report is ``audit.json``. Ends with status 0
when every package was checked and none has a known vulnerability, with 1 when some have, and with 3
when some could not be checked: no answer is no clean bill. Under a minute.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS, ROOT, write_report

BIN = ROOT / ".tools" / "bin"
SBOM = ROOT / "build" / "sbom.json"
PURPOSES = ("serving", "training", "development", "tools")
CLEAN, VULNERABLE, UNCHECKED = 0, 1, 3


@dataclass
class Audit:
    """What the database said of one requirements file.

    Attributes:
        checked: packages it knows.
        vulnerable: ``package version`` -> identifiers.
        unchecked: packages it did not tell about.
        trouble: why nothing could be asked at all.
    """

    checked: int = 0
    vulnerable: dict[str, list[str]] = field(default_factory=dict)
    unchecked: list[str] = field(default_factory=list)
    trouble: str | None = None

    @property
    def status(self) -> int:
        """One of ``CLEAN``, ``VULNERABLE``, ``UNCHECKED``."""
        if self.vulnerable:
            return VULNERABLE
        return UNCHECKED if self.unchecked or self.trouble or not self.checked else CLEAN


def main() -> int:
    """Audit, write ``audit.json`` and the bill of materials."""
    if not (BIN / "pip-audit").exists():
        print("pip-audit is not installed: use `make audit`", file=sys.stderr)
        return UNCHECKED
    components = write_sbom(SBOM)
    audits = {purpose: ask(ROOT / "requirements" / f"{purpose}.txt") for purpose in PURPOSES}
    figures: dict[str, Any] = {
        "sbom_components": components,
        "audits": {
            purpose: {
                "checked": audit.checked,
                "vulnerable": audit.vulnerable,
                "could_not_be_checked": len(audit.unchecked),
                "trouble": audit.trouble,
            }
            for purpose, audit in audits.items()
        },
    }
    for purpose, audit in audits.items():
        print(f"{purpose}: {said(audit)}")
    print(f"wrote {SBOM.relative_to(ROOT)} ({components} components)")
    print(f"wrote {write_report('audit', figures, RESULTS).relative_to(ROOT)}")
    statuses = {audit.status for audit in audits.values()}
    return VULNERABLE if VULNERABLE in statuses else max(statuses)


def said(audit: Audit) -> str:
    """An audit in one line."""
    if audit.trouble:
        return f"could not be checked: {audit.trouble}"
    found = [f"{name} has {', '.join(ids)}" for name, ids in audit.vulnerable.items()]
    if audit.unchecked:
        found.append(f"{len(audit.unchecked)} packages could not be checked: not in the database")
    found.append(f"{audit.checked} packages checked")
    return "; ".join(found)


def ask(requirements: Path) -> Audit:
    """Ask the database about the pins of a file."""
    command = [
        *(str(BIN / "pip-audit"), "--requirement", str(requirements), "--disable-pip"),
        *("--require-hashes", "--format", "json", "--progress-spinner", "off"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return read(result.stdout, result.stderr)


def read(output: str, errors: str) -> Audit:
    """What pip-audit's JSON says.

    Args:
        output: its standard output; without JSON it failed.
        errors: its standard error, whose last line then says why.
    """
    try:
        dependencies = json.loads(output)["dependencies"]
    except ValueError:
        lines = errors.strip().splitlines()
        return Audit(trouble=lines[-1] if lines else "pip-audit said nothing")
    audit = Audit()
    for entry in dependencies:
        if "skip_reason" in entry:
            audit.unchecked.append(entry["name"])
            continue
        audit.checked += 1
        if entry["vulns"]:
            name = f"{entry['name']} {entry['version']}"
            audit.vulnerable[name] = [vulnerability["id"] for vulnerability in entry["vulns"]]
    return audit


def write_sbom(path: Path) -> int:
    """Write the CycloneDX bill of materials of what is served; how many components it names."""
    path.parent.mkdir(exist_ok=True)
    command = [
        *(str(BIN / "cyclonedx-py"), "requirements", str(ROOT / "requirements" / "serving.txt")),
        *("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible"),
        *("--output-format", "JSON", "--output-file", str(path)),
    ]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return len(json.loads(path.read_text(encoding="utf-8"))["components"])


if __name__ == "__main__":
    raise SystemExit(main())
