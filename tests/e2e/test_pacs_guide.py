"""docs/pacs.md, done as it says, but on free ports and in a folder of its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.needs import program
from tests.process import ROOT, free_port, server_process
from tests.waiting import LONG_PATIENCE_SECONDS

PORTS = ("4242", "8042", "11112", "8000", "8010")


def test_the_trial_ends_with_a_report_and_a_picture_beside_the_image(tmp_path: Path) -> None:
    for name, package in (("Orthanc", "orthanc"), ("img2dcm", "dcmtk"), ("storescu", "dcmtk")):
        program(name, package)
    program("curl")
    text = (ROOT / "docs" / "pacs.md").read_text(encoding="utf-8")
    guide = text[text.index("## A trial") : text.index("## Connect it")]
    _install, *steps = re.findall(r"```sh\n(.+?)```", guide, re.DOTALL)
    script = "set -eu\n" + "\n".join(steps)
    ports = {old: str(free_port()) for old in PORTS}
    for old, new in ports.items():
        script = re.sub(rf"\b{old}\b", new, script)
    script = script.replace("build/trial", str(tmp_path / "trial"))
    script = script.replace(".venv/bin/pneumonia", f"{sys.executable} -m service")
    environment = {
        "PNEUMONIA_PORT": ports["8000"],
        "PNEUMONIA_PACS_SERVICE_URL": f"http://127.0.0.1:{ports['8000']}",
        "PNEUMONIA_PACS_PORT": ports["11112"],
        "PNEUMONIA_PACS_MONITORING_PORT": ports["8010"],
    }
    log = tmp_path / "trial.log"
    bash = shutil.which("bash") or "bash"
    with server_process([bash, "-c", script], log, environment) as process:
        try:
            assert process.wait(LONG_PATIENCE_SECONDS) == 0, log.with_suffix(".err").read_text()
        except subprocess.TimeoutExpired as error:
            raise AssertionError(log.with_suffix(".err").read_text()) from error
    told = log.read_text().splitlines()
    assert '"state": "done"' in log.read_text()
    assert told[-3:] == [f'"{kind}"' for kind in ("CR", "OT", "SR")]
