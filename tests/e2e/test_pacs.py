"""The DICOM node of deploy/pacs, sent to by dcmtk as a PACS or a device sends."""

import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.settings import DEFAULT_MODEL
from tests.dicom import file_bytes, radiograph, read
from tests.dicom_files import real_file
from tests.needs import program
from tests.process import ROOT, ServiceProcess, free_port, service_process
from tests.waiting import wait_until

KEY = "open sesame"
RECEIVE = ROOT / "deploy" / "pacs" / "receive.sh"


@dataclass(frozen=True)
class Node:
    """A receiving node, running or not.

    Attributes:
        environment: it runs with.
        sending: files to send by name.
    """

    environment: dict[str, str]
    sending: dict[str, Path]

    @property
    def service_port(self) -> int:
        """Where it looks for its service."""
        return int(self.environment["SERVICE_URL"].rpartition(":")[2])

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it receive; at the end it must stop soon."""
        with subprocess.Popen([RECEIVE], env=self.environment) as process:
            try:
                wait_until(self.echoes, "receiving")
                yield
            finally:
                process.terminate()
                process.wait(20)
        wait_until(lambda: not self.echoes(), "stopped")

    def echoes(self) -> bool:
        """Whether it listens."""
        command = [program("echoscu", "dcmtk"), "127.0.0.1", self.environment["PACS_PORT"]]
        return subprocess.run(command, capture_output=True).returncode == 0

    def send(self, *names: str) -> None:
        """Send files in one association, as they are compressed."""
        command = [program("storescu", "dcmtk"), "--propose-lossless", "127.0.0.1"]
        command += [self.environment["PACS_PORT"], *(str(self.sending[name]) for name in names)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def ask(self, file: Path, **changes: object) -> "subprocess.CompletedProcess[str]":
        """Run it for one file, with other variables."""
        environment = {**self.environment, **{name: str(to) for name, to in changes.items()}}
        return subprocess.run(
            [RECEIVE, file], env=environment, capture_output=True, text=True, timeout=60
        )

    def kept(self) -> list[Path]:
        """Files that it still has."""
        folder = Path(self.environment["PACS_FOLDER"])
        return [path for path in folder.rglob("*") if path.is_file()]

    def answers(self) -> dict[str, Any]:
        """What was written so far: instance -> answer."""
        file = Path(self.environment["PACS_ANSWERS"])
        lines = file.read_text().splitlines() if file.exists() else []
        return {line["instance"]: line["answer"] for line in map(json.loads, lines)}


@pytest.fixture
def node(tmp_path: Path) -> Node:
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
    environment = {
        **os.environ,
        "SERVICE_URL": f"http://127.0.0.1:{free_port()}",
        "SERVICE_KEY": KEY,
        "PACS_PORT": str(free_port()),
        "PACS_FOLDER": str(tmp_path / "wait here"),
        "PACS_ANSWERS": str(tmp_path / "answers.jsonl"),
        "PACS_AGAIN": "0.02",
    }
    return Node(environment, {name: tmp_path / f"{name}.dcm" for name in made})


def test_every_image_that_is_sent_is_answered_and_none_is_left(node: Node, tmp_path: Path) -> None:
    with asked(node, tmp_path, KEY), node.running():
        node.send("chest", "compressed", "lateral")
        wait_until(lambda: len(node.answers()) == 3, "answered")
        wait_until(lambda: not node.kept(), "nothing left")
    answers = node.answers()
    assert answers["1.2.3.1"]["decision"] in {"normal", "pneumonia", "uncertain"}
    assert answers["1.2.3.1"]["uids"]["sop_instance_uid"] == "1.2.3.1"
    assert answers["1.2.3.2"]["image"]["format"] == "DICOM"
    assert answers["1.2.3.3"]["code"] == "not_a_chest_xray"
    assert "Secret" not in json.dumps(answers)


def test_a_service_that_is_being_replaced_is_waited_for(node: Node, tmp_path: Path) -> None:
    with node.running():
        node.send("chest")
        wait_until(lambda: [path for path in node.kept() if path.parent.name == "again"], "asked")
        with asked(node, tmp_path, KEY):
            wait_until(node.answers, "answered")


def test_what_was_received_before_a_stop_is_asked_about_after_it(
    node: Node, tmp_path: Path
) -> None:
    arriving = Path(node.environment["PACS_FOLDER"]) / "arriving"
    arriving.mkdir(parents=True)
    shutil.copy(node.sending["chest"], arriving)
    with asked(node, tmp_path, KEY), node.running():
        wait_until(node.answers, "answered")


def test_an_image_without_an_answer_of_the_service_stays(node: Node, tmp_path: Path) -> None:
    file = node.sending["chest"]
    with asked(node, tmp_path, KEY):
        assert "401" in node.ask(file, SERVICE_KEY="another key").stderr
        assert node.ask(file, PACS_ANSWERS=tmp_path / "no folder" / "answers").returncode == 1
        with foreign() as url:
            assert "text/html" in node.ask(file, SERVICE_URL=url).stderr
        assert file.exists()
        assert not node.answers()
        assert node.ask(file).returncode == 0
    assert not file.exists()
    assert list(node.answers()) == ["1.2.3.1"]


def test_answers_that_cannot_be_written_are_found_out_at_the_start(
    node: Node, tmp_path: Path
) -> None:
    environment = {**node.environment, "PACS_ANSWERS": str(tmp_path / "no folder" / "answers")}
    assert subprocess.run([RECEIVE], env=environment, timeout=60).returncode != 0


class _Stranger(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer as a proxy may that stands on the service's address."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>It works!</h1>")


@contextmanager
def foreign() -> Iterator[str]:
    """The address of a server that is not the service."""
    with HTTPServer(("127.0.0.1", 0), _Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def asked(node: Node, folder: Path, key: str) -> Iterator[ServiceProcess]:
    """The service that a node asks, with a key; its input check must not decide here."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    port = node.service_port
    with service_process(
        DEFAULT_MODEL, folder, port=port, api_key_sha256=digest, input_check="flag"
    ) as service:
        yield service
