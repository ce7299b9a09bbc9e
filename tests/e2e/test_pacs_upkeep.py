"""The node over time: images that fail, a model that changes, what is kept and what is deleted."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.pacs import SC, SR, Node, orthanc, write_xrays, xray
from tests.process import ServiceProcess, free_port, service_process
from tests.tiny_model import write_tiny_model
from tests.waiting import PATIENCE_SECONDS, wait_until

_DAY = 86400


@dataclass
class _Ailing:
    """A service behind a proxy that breaks on one image.

    Attributes:
        url: of the proxy.
        breaks_on: bytes that this image alone has; empty for none.
        at: when it was asked about that image.
    """

    url: str = ""
    breaks_on: bytes = b""
    at: list[float] = field(default_factory=list)


@contextmanager
def ailing(service: ServiceProcess) -> Iterator[_Ailing]:
    """A service that answers 500 to one image."""
    state = _Ailing()

    class Proxy(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if state.breaks_on and state.breaks_on in body:
                state.at.append(time.monotonic())
                self._answer(500, "application/problem+json", b'{"code": "internal"}')
                return
            answer = httpx.request(
                self.command,
                service.url + self.path,
                content=body,
                headers={"Content-Type": self.headers.get("Content-Type", "")},
                timeout=PATIENCE_SECONDS,
            )
            self._answer(answer.status_code, answer.headers["content-type"], answer.content)

        def do_GET(self) -> None:
            """Of the model."""
            self._pass_on()

        def do_POST(self) -> None:
            """Of an image."""
            self._pass_on()

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


def test_an_image_that_fails_is_tried_ever_later_put_aside_and_tried_again_on_demand(
    tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    attempts, pause = 4, 0.2
    with orthanc(tmp_path / "orthanc") as archive, ailing(tiny_service) as service:
        settings: dict[str, object] = {
            "service_url": service.url,
            "pacs_port": archive.dicom_port,
            "pacs_aet": "ARCHIVE",
            "attempts": attempts,
            "retry_seconds": pause,
        }
        service.breaks_on = str(xray(3001).SOPInstanceUID).encode()
        with Node(tmp_path / "node", settings).running() as node:
            assert node.send(*write_xrays(tmp_path / "sent", [3001, 3002])).returncode == 0
            wait_until(lambda: node.states() == {"dead": 1, "done": 1}, "one dead, one done")
            assert len(service.at) == attempts
            # each wait is between half of its time and all of it
            for number, (before, after) in enumerate(pairwise(service.at)):
                assert after - before >= pause * 2**number / 2
            [dead] = [row for row in node.images() if row["state"] == "dead"]
            assert dead["reason"] == "received: The service answers 500 internal."
            assert node.count("dead") == 1
            assert len(node.kept_files()) == 1
            service.breaks_on = b""
            assert node.command("retry", str(dead["image"])).stdout.endswith("received\n")
            wait_until(lambda: node.states() == {"done": 2}, "done")
            wrong = node.command("retry", str(dead["image"]))
            assert wrong.returncode != 0
            assert "is not dead" in wrong.stderr
        assert sorted(kind for kind, _, _ in archive.stored()) == sorted([SR, SC] * 2)


@pytest.mark.parametrize("point", ["before dead", "after dead"])
def test_a_kill_while_an_image_is_given_up_loses_none(
    point: str, tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    with orthanc(tmp_path / "orthanc") as archive, ailing(tiny_service) as service:
        settings: dict[str, object] = {
            "service_url": service.url,
            "pacs_port": archive.dicom_port,
            "pacs_aet": "ARCHIVE",
            "attempts": 2,
            "retry_seconds": 0.2,
        }
        service.breaks_on = str(xray(3001).SOPInstanceUID).encode()
        node = Node(tmp_path / "node", settings)
        with node.running(("-m", "tests.pacs_node", point, "1")) as running:
            sent = write_xrays(tmp_path / "sent", [3001, 3002])
            assert node.acknowledged(sent) == set(sent)
            wait_until(lambda: running.ended() == -9, f"killed {point}")
        with node.running():
            wait_until(lambda: node.states() == {"dead": 1, "done": 1}, "one dead, one done")
            assert len(node.kept_files()) == 1
            node.stop()
        assert sorted(kind for kind, _, _ in archive.stored()) == sorted([SR, SC])


def test_a_study_is_judged_again_once_the_model_has_changed(
    tmp_path: Path, tiny_model: Path
) -> None:
    newer = tmp_path / "newer.onnx"
    labels = ("clear", "tuberculosis", "abscess")
    finding = "abscess or tuberculosis"
    write_tiny_model(
        newer, version="2.0", labels=labels, pneumonia_labels=labels[1:], finding=finding
    )
    port = free_port()
    with orthanc(tmp_path / "orthanc") as archive:
        image = xray(3010)
        archive.put(image)
        settings: dict[str, object] = {
            "service_url": f"http://127.0.0.1:{port}",
            "pacs_port": archive.dicom_port,
            "pacs_aet": "ARCHIVE",
            "dicomweb_url": archive.dicomweb,
        }
        with Node(tmp_path / "node", settings).running() as node:
            again = ("reprocess", str(image.StudyInstanceUID))
            with service_process(tiny_model, tmp_path, port=port):
                assert node.command("pull", "--date", "20260102").returncode == 0
                wait_until(lambda: node.states() == {"done": 1}, "done")
                # by the same model it is not
                assert node.command(*again).returncode == 0
                wait_until(lambda: node.states() == {"done": 1}, "dropped")
            wait_until(lambda: not node.kept_files(), "deleted")
            with service_process(newer, tmp_path, port=port):
                told = node.command(*again)
                assert "1 images are queued" in told.stdout, told.stderr
                wait_until(lambda: node.states() == {"done": 2}, "done")
        results = [found for found in archive.datasets() if found.Modality in ("SR", "OT")]
        models = {(str(found.SOPClassUID), found.ManufacturerModelName) for found in results}
        assert len(results) == 4
        assert models == {
            (kind, f"tiny {version}") for kind in (SR, SC) for version in ("1.0", "2.0")
        }
        assert len({str(found.SOPInstanceUID) for found in results}) == 4
        # each in the words of its model
        series = {str(found.SeriesDescription) for found in results if found.Modality == "SR"}
        assert series == {"AI pneumonia: report", f"AI {finding}: report"}


def test_images_and_rows_are_deleted_after_their_time(
    tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    with orthanc(tmp_path / "orthanc") as archive:
        settings: dict[str, object] = {
            "service_url": tiny_service.url,
            "pacs_port": archive.dicom_port,
            "pacs_aet": "ARCHIVE",
            "keep_image_days": 1,
        }
        kept = Node(tmp_path / "node", settings)
        [path] = write_xrays(tmp_path / "sent", [3020])
        with kept.running() as node:
            assert node.send(path).returncode == 0
            wait_until(lambda: node.states() == {"done": 1}, "done")
            assert len(node.kept_files()) == 1
            node.stop()
        kept.settings |= {"keep_image_days": 0.1 / _DAY, "keep_days": 0.1 / _DAY}
        with kept.running() as node:
            wait_until(lambda: not node.states(), "the row is deleted")
            wait_until(lambda: not node.kept_files(), "the image is deleted")
        assert len(archive.stored()) == 2
