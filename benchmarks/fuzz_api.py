"""Any request that the OpenAPI document allows, or nearly so, against a running service.

    python -m benchmarks.fuzz_api [--examples 1000]

Schemathesis makes the requests and checks each answer against the document: status, type, headers,
schema. Left out are its checks that a valid request is accepted and an invalid one refused, since
no schema says which bytes are an X-ray, and that keys are asked for, since the service has none
here (tests see to keys). The report is ``fuzz_api.json``. About four minutes on two cores.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from benchmarks.process_usage import ProcessUsage
from benchmarks.report import RESULTS, ROOT, write_report
from benchmarks.running import answers, running_service
from service.runtime.cpus import busy_threads

SCHEMATHESIS = ROOT / ".tools" / "bin" / "schemathesis"
_LEFT_OUT = ("positive_data_acceptance", "negative_data_rejection", "ignored_auth")
_MOST_KEPT_MEGABYTES = 128


def main(arguments: list[str] | None = None) -> int:
    """Fuzz and write ``fuzz_api.json``; fails when there is a find."""
    parser = argparse.ArgumentParser(description="Fuzz the HTTP interface.")
    parser.add_argument("--examples", type=int, default=1000, help="for each operation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="by default the shipped one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the report's folder")
    options = parser.parse_args(arguments)
    if not SCHEMATHESIS.exists():
        parser.error("schemathesis is not installed: use `make fuzz`")
    with running_service(options.model) as service, tempfile.TemporaryDirectory() as folder:
        before, asked = ProcessUsage.of(service.pid), answers(service.port)
        found = Path(folder) / "found.json"
        command = [
            *(str(SCHEMATHESIS), "run", f"http://127.0.0.1:{service.port}/openapi.json"),
            *("--checks", "all", "--exclude-checks", ",".join(_LEFT_OUT)),
            *("--max-examples", str(options.examples), "--seed", str(options.seed)),
            *("--continue-on-failure", "--generation-database", "none", "--no-color"),
            *("--report", "json", "--report-json-path", str(found)),
        ]
        result = subprocess.run(command, cwd=folder, check=False)
        after = ProcessUsage.of(service.pid)
        statuses = answers(service.port) - asked
        report = json.loads(found.read_text(encoding="utf-8"))
    faults = [
        f"{failure['title']}: {', '.join(failure['operations'])}"
        for failure in (*report["failures"], *report["errors"])
    ]
    if result.returncode and not faults:
        faults.append(f"schemathesis ended with status {result.returncode}")
    if any(status.startswith("5") for status in statuses):
        faults.append("a 5xx")
    faults += after.kept_since(before, _MOST_KEPT_MEGABYTES, busy_threads())
    figures = {
        "schemathesis": report["schemathesis_version"],
        "operations": report["operations"]["tested"],
        "requests": sum(statuses.values()),
        "statuses": dict(sorted(statuses.items())),
        "seconds": round(report["running_time"]),
        "held_before": before.figures(),
        "held_after": after.figures(),
        "finds": faults,
    }
    print(*(f"{name}: {value}" for name, value in figures.items()), sep="\n")
    print(f"wrote {write_report('fuzz_api', figures, options.out)}")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
