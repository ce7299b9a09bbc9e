"""The node with other peers: over TLS, a DICOMweb server, a webhook, a shadow service."""

import hashlib
import hmac
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pydicom

from tests.needs import program
from tests.pacs import SC, SR, Node, orthanc, write_xrays, xray
from tests.process import ServiceProcess
from tests.waiting import wait_until


def certificate_for(folder: Path, name: str) -> tuple[Path, Path]:
    """A key and a certificate of this machine that is signed by itself."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return key, certificate


def test_images_come_over_tls_alone_where_there_is_a_certificate(
    tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    key, certificate = certificate_for(tmp_path, "node")
    settings: dict[str, object] = {
        "service_url": tiny_service.url,
        "tls_certificate": certificate,
        "tls_key": key,
    }
    [path] = write_xrays(tmp_path / "sent", [2001])
    with Node(tmp_path / "node", settings).running() as node:
        assert node.send(path).returncode != 0
        sent = node.send(path, options=f"--anonymous-tls +cf {certificate}")
        assert sent.returncode == 0, sent.stderr
        assert sum(node.states().values()) == 1


def test_over_tls_images_come_from_those_with_a_certificate_and_results_go_back(
    tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    key, certificate = certificate_for(tmp_path, "node")
    pacs_key, pacs_certificate = certificate_for(tmp_path, "pacs")
    with orthanc(
        tmp_path / "orthanc",
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(pacs_certificate),
        DicomTlsPrivateKey=str(pacs_key),
        DicomTlsTrustedCertificates=str(certificate),
        DicomTlsRemoteCertificateRequired=True,
    ) as archive:
        settings: dict[str, object] = {
            "service_url": tiny_service.url,
            "tls_certificate": certificate,
            "tls_key": key,
            "tls_ca": pacs_certificate,
            "pacs_tls": True,
            "pacs_port": archive.dicom_port,
            "pacs_aet": "ARCHIVE",
        }
        [path] = write_xrays(tmp_path / "sent", [2002])
        with Node(tmp_path / "node", settings).running() as node:
            trust = f"+cf {certificate}"
            assert node.send(path, options=f"--anonymous-tls {trust}").returncode != 0
            stranger = " ".join(map(str, certificate_for(tmp_path, "stranger")))
            assert node.send(path, options=f"+tls {stranger} {trust}").returncode != 0
            sent = node.send(path, options=f"+tls {pacs_key} {pacs_certificate} {trust}")
            assert sent.returncode == 0, sent.stderr
            wait_until(lambda: node.states() == {"done": 1}, "done")
        assert sorted(kind for kind, _, _ in archive.stored()) == sorted([SR, SC])


def test_results_go_to_no_pacs_whose_certificate_nobody_signed(
    tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    key, certificate = certificate_for(tmp_path, "pacs")
    with orthanc(
        tmp_path / "orthanc",
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(certificate),
        DicomTlsPrivateKey=str(key),
        DicomTlsRemoteCertificateRequired=False,
        DicomTlsTrustedCertificates=str(certificate),
    ) as archive:
        settings: dict[str, object] = {
            "service_url": tiny_service.url,
            "pacs_tls": True,
            "pacs_port": archive.dicom_port,
            "pacs_aet": "ARCHIVE",
        }
        [path] = write_xrays(tmp_path / "sent", [2003])
        with Node(tmp_path / "node", settings).running() as node:
            assert node.send(path).returncode == 0
            told = "its certificate is not trusted"
            wait_until(lambda: told in node.command("status").stdout, "the node waits")
            assert node.states() == {"answered": 1}
        assert archive.stored() == []


def test_an_archive_is_pulled_once_and_results_go_back_by_stow(
    tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    with orthanc(tmp_path / "orthanc") as archive:
        for number in range(2010, 2013):
            archive.put(xray(number))
        settings: dict[str, object] = {
            "service_url": tiny_service.url,
            "dicomweb_url": archive.dicomweb,
            "send_by": "stow-rs",
        }
        with Node(tmp_path / "node", settings).running() as node:
            # as after an interruption: what is there already is not fetched again
            accessions = tmp_path / "accessions.txt"
            accessions.write_text("A2011\n\nA404\n")
            first = node.command("pull", "--accessions", str(accessions))
            assert json.loads(first.stdout)["kept"] == 1, first.stderr
            assert "A404: no study" in first.stderr
            pulled = node.command("pull", "--date", "20260101-20260131")
            assert json.loads(pulled.stdout) | {"kept": 2, "known": 1} == json.loads(pulled.stdout)
            assert "study 3 of 3: 2 kept, 1 known" in pulled.stderr
            wait_until(lambda: node.states() == {"done": 3}, "done")
            worklist = tmp_path / "worklist.txt"
            worklist.write_text(xray(2012).StudyInstanceUID)
            again = node.command("pull", "--worklist", str(worklist))
            assert json.loads(again.stdout)["known"] == 1
        kinds = [kind for kind, _, _ in archive.stored() if kind in (SR, SC)]
        assert sorted(kinds) == sorted([SR, SC] * 3)


def test_a_finished_study_is_told_with_a_signature_and_the_shadow_is_not_sent(
    tmp_path: Path, tiny_service: ServiceProcess
) -> None:
    told: list[tuple[str, bytes]] = []

    class Worklist(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Refuse the first, take the second."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.headers["X-Pneumonia-Signature"], body))
            self.send_response(503 if len(told) == 1 else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    [path] = write_xrays(tmp_path / "sent", [2020])
    with orthanc(tmp_path / "orthanc") as archive, HTTPServer(("127.0.0.1", 0), Worklist) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings: dict[str, object] = {
            "service_url": tiny_service.url,
            "shadow_url": tiny_service.url,
            "pacs_port": archive.dicom_port,
            "pacs_aet": "ARCHIVE",
            "webhook_url": f"http://127.0.0.1:{server.server_port}/",
            "webhook_secret": "between us",
            "study_quiet_seconds": 0,
        }
        with Node(tmp_path / "node", settings).running() as node:
            assert node.send(path).returncode == 0
            wait_until(lambda: len(told) == 2, "told")
            asked = 'pneumonia_pacs_shadow_total{result="answered"} 1.0'
            wait_until(lambda: asked in node.metrics(), "the shadow was asked")
            [row] = node.images()
        server.shutdown()
        assert len(archive.stored()) == 2
    assert row["shadow"]["decision"] == row["decision"]
    signature, body = told[1]
    at, digest = (part.partition("=")[2] for part in signature.split(","))
    expected = hmac.new(b"between us", f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(digest, expected)
    message = json.loads(body)
    image = pydicom.dcmread(path)
    assert message["study_instance_uid"] == image.StudyInstanceUID
    assert message["decision"] == row["decision"]
    assert str(image.PatientName) not in body.decode()
