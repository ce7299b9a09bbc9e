"""The DICOM node of deploy/pacs, sent to by dcmtk as a PACS or a device sends."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.dicom_files import real_file
from benchmarks.running import free_port
from service.settings import DEFAULT_MODEL
from tests.dicom import file_bytes, radiograph, read
from tests.needs import program
from tests.process import ROOT, ServiceProcess, service_process
from tests.waiting import wait_until

KEY = "open sesame"
RECEIVE = ROOT / "deploy" / "pacs" / "receive.sh"


@dataclass(frozen=True)
class Node:
    """A receiving node.

    Attributes:
        port: it receives on.
        folder: where its images wait.
        environment: it runs with.
        sending: files to send by name.
    """

    port: int
    folder: Path
    environment: dict[str, str]
    sending: dict[str, Path]

    def send(self, *names: str) -> None:
        """Send files in one association, as they are compressed."""
        sent = [str(self.sending[name]) for name in names]
        command = [program("storescu", "dcmtk"), "--propose-lossless", "127.0.0.1", str(self.port)]
        subprocess.run([*command, *sent], check=True, capture_output=True, timeout=60)

    @property
    def service_port(self) -> int:
        """Where the node looks for its service."""
        return int(self.environment["SERVICE_URL"].rpartition(":")[2])

    def kept(self) -> list[Path]:
        """Files that it still has."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def answers(self) -> dict[str, Any]:
        """What was written so far: instance -> answer."""
        file = Path(self.environment["PACS_ANSWERS"])
        lines = file.read_text().splitlines() if file.exists() else []
        return {line["instance"]: line["answer"] for line in map(json.loads, lines)}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with nothing received yet; its service is to be started on the port it asks."""
    for name in ("curl", "dcmdump", "storescp"):
        program(name, "curl" if name == "curl" else "dcmtk")
    samples = read(real_file("RG1_UNCR.dcm")).pixel_array.astype(np.uint16)
    made = {
        "chest": file_bytes(
            radiograph(
                samples, 15, SOPInstanceUID="1.2.3.1", PhotometricInterpretation="MONOCHROME1"
            )
        ),
        "compressed": file_bytes(
            radiograph(samples[::4, ::4], 15, SOPInstanceUID="1.2.3.2"), "JPEG lossless"
        ),
        "lateral": file_bytes(radiograph(samples, 15, SOPInstanceUID="1.2.3.3", ViewPosition="LL")),
    }
    for name, content in made.items():
        (tmp_path / f"{name}.dcm").write_bytes(content)
    port, folder = free_port(), tmp_path / "wait here"
    environment = {
        **os.environ,
        "SERVICE_URL": f"http://127.0.0.1:{free_port()}",
        "SERVICE_KEY": KEY,
        "PACS_PORT": str(port),
        "PACS_FOLDER": str(folder),
        "PACS_ANSWERS": str(tmp_path / "answers.jsonl"),
    }
    with subprocess.Popen([RECEIVE], env=environment, stderr=subprocess.PIPE) as process:
        wait_until(lambda: echoes(port), "receiving")
        try:
            yield Node(port, folder, environment, {name: tmp_path / f"{name}.dcm" for name in made})
        finally:
            process.terminate()


def test_every_image_that_is_sent_is_answered_and_none_is_left(node: Node, tmp_path: Path) -> None:
    with asked(node, tmp_path, KEY):
        node.send("chest", "compressed", "lateral")
        wait_until(lambda: len(node.answers()) == 3, "answered")
    answers = node.answers()
    assert answers["1.2.3.1"]["decision"] in {"normal", "pneumonia", "uncertain"}
    assert answers["1.2.3.1"]["uids"]["sop_instance_uid"] == "1.2.3.1"
    assert answers["1.2.3.2"]["image"]["format"] == "DICOM"
    assert answers["1.2.3.3"]["code"] == "not_a_chest_xray"
    assert "Secret" not in json.dumps(answers)
    wait_until(lambda: not node.kept(), "nothing left")


def test_an_image_without_an_answer_stays_until_there_is_one(node: Node, tmp_path: Path) -> None:
    with asked(node, tmp_path, "another key") as service:
        node.send("chest")
        wait_until(lambda: "unauthorized" in service.log.read_text(), "refused")
        ask = [RECEIVE, *node.kept()]
        refused = subprocess.run(ask, env=node.environment, capture_output=True, text=True)
        assert refused.returncode == 1
        assert "401" in refused.stderr
        assert (len(node.kept()), node.answers()) == (1, {})
        environment = {**node.environment, "SERVICE_KEY": "another key"}
        subprocess.run(ask, env=environment, check=True)
    assert list(node.answers()) == ["1.2.3.1"]
    assert not node.kept()


def test_a_service_that_is_being_replaced_is_waited_for(node: Node, tmp_path: Path) -> None:
    node.send("chest")
    wait_until(node.kept, "received")
    with asked(node, tmp_path, KEY):
        wait_until(node.answers, "answered")


@contextmanager
def asked(node: Node, folder: Path, key: str) -> Iterator[ServiceProcess]:
    """The service that a node asks, with a key; its input check must not decide here."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    port = node.service_port
    with service_process(
        DEFAULT_MODEL, folder, port=port, api_key_sha256=digest, input_check="flag"
    ) as service:
        yield service


def echoes(port: int) -> bool:
    command = [program("echoscu", "dcmtk"), "127.0.0.1", str(port)]
    return subprocess.run(command, capture_output=True).returncode == 0
