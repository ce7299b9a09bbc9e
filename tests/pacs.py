"""A hospital around the node: images as devices send them, Debian's Orthanc, DCMTK's senders."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pydicom
from pydicom.dataset import Dataset

from tests.dicom import file_bytes, radiograph, shadows
from tests.needs import missing, program
from tests.process import ROOT, free_port, server_process
from tests.waiting import LONG_PATIENCE_SECONDS, PATIENCE_SECONDS, wait_until

DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SR = "1.2.840.10008.5.1.4.1.1.88.33"
SC = "1.2.840.10008.5.1.4.1.1.7"
_SERVE = ("-m", "service", "pacs", "serve")


def xray(number: int, study: str | None = None, **changes: Any) -> Dataset:
    """A chest X-ray as a device makes it, each number another one; keywords change attributes."""
    prefix = f"1.2.826.0.1.3680043.8.498.{number + 1}"
    return radiograph(
        shadows(seed=number),
        **{
            "SpecificCharacterSet": "ISO_IR 100",
            "ImageType": ["DERIVED", "PRIMARY"],
            "SOPInstanceUID": f"{prefix}.3",
            "SeriesInstanceUID": f"{prefix}.2",
            "StudyInstanceUID": study or f"{prefix}.1",
            "StudyID": "7",
            "StudyDate": "20260102",
            "StudyTime": "101500",
            "AccessionNumber": f"A{number}",
            "PatientName": "M\u00fcller^Secret",
            "PatientBirthDate": "19700101",
            "PatientSex": "F",
            "ReferringPhysicianName": "Doctor^Secret",
            "PatientOrientation": ["L", "F"],
            "ImagerPixelSpacing": ["0.2", "0.2"],
            "InstanceNumber": 1,
            **changes,
        },
    )


def write_xrays(folder: Path, numbers: Sequence[int], **changes: Any) -> list[Path]:
    """Files of such X-rays."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number in numbers:
        path = folder / f"{number}.dcm"
        path.write_bytes(file_bytes(xray(number, **changes)))
        paths.append(path)
    return paths


@dataclass(frozen=True)
class Orthanc:
    """A running archive."""

    dicom_port: int
    url: str

    @property
    def dicomweb(self) -> str:
        """Root of its DICOMweb services."""
        return f"{self.url}/dicom-web"

    def stored(self) -> list[tuple[str, str, str]]:
        """SOP class, study and instance UID of all that it has."""
        answer = httpx.get(
            f"{self.dicomweb}/instances",
            params={"includefield": "00080016"},
            headers={"Accept": "application/dicom+json"},
            timeout=PATIENCE_SECONDS,
        )
        answer.raise_for_status()
        tags = ("00080016", "0020000D", "00080018")
        return [
            (values[0], values[1], values[2])
            for values in ([item[tag]["Value"][0] for tag in tags] for item in answer.json())
        ]

    def datasets(self) -> list[Dataset]:
        """All that it has, whole."""
        names = httpx.get(f"{self.url}/instances", timeout=PATIENCE_SECONDS).json()
        return [pydicom.dcmread(BytesIO(self.file(name))) for name in names]

    def ask(self, path: str, content: Any = None) -> Any:
        """Its own interface: GET, or POST of a content."""
        if content is None:
            answer = httpx.get(f"{self.url}{path}", timeout=PATIENCE_SECONDS)
        elif isinstance(content, str):
            answer = httpx.post(f"{self.url}{path}", content=content, timeout=PATIENCE_SECONDS)
        else:
            answer = httpx.post(f"{self.url}{path}", json=content, timeout=PATIENCE_SECONDS)
        return answer.raise_for_status().json()

    def put(self, image: Dataset) -> str:
        """Give it an image; the name that it gives to it."""
        answer = httpx.post(
            f"{self.url}/instances", content=file_bytes(image), timeout=PATIENCE_SECONDS
        )
        return str(answer.raise_for_status().json()["ID"])

    def file(self, name: str) -> bytes:
        """One of its objects by the name that it gave."""
        answer = httpx.get(f"{self.url}/instances/{name}/file", timeout=PATIENCE_SECONDS)
        return answer.raise_for_status().content


@contextmanager
def orthanc(folder: Path, *, dicom_port: int | None = None, **settings: Any) -> Iterator[Orthanc]:
    """Debian's Orthanc with its DICOMweb plugin, on free ports; what it has stays in the folder."""
    command = program("Orthanc", "orthanc")
    if not DICOMWEB.exists():
        missing("needs the DICOMweb plugin: apt-get install orthanc-dicomweb")
    folder.mkdir(exist_ok=True)
    port, http_port = dicom_port or free_port(), free_port()
    configuration = {
        "Name": "ARCHIVE",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(DICOMWEB)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "HttpPort": http_port,
        "DicomPort": port,
        "DicomAet": "ARCHIVE",
        "DicomCheckCalledAet": True,
        "AuthenticationEnabled": False,
        "OverwriteInstances": False,
        **settings,
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration))
    url = f"http://127.0.0.1:{http_port}"
    with server_process([command, str(file)], folder / "orthanc.log", {}) as process:

        def answers() -> bool:
            assert process.poll() is None, (folder / "orthanc.err").read_text()
            try:
                return httpx.get(f"{url}/dicom-web/studies", timeout=5).is_success
            except httpx.HTTPError:
                return False

        wait_until(answers, "Orthanc answers")
        yield Orthanc(port, url)


@dataclass
class Node:
    """A node, running or not.

    Attributes:
        folder: where it keeps what it has.
        settings: by their names.
        port: for DICOM.
        monitoring_port: for health and metrics.
        process: while it runs.
    """

    folder: Path
    settings: dict[str, object]
    port: int = field(default_factory=free_port)
    monitoring_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[str] | None" = None

    @property
    def environment(self) -> dict[str, str]:
        """Its settings as variables."""
        settings = {
            "folder": self.folder,
            "port": self.port,
            "monitoring_port": self.monitoring_port,
            "calling_aets": "STORESCU,ARCHIVE",
            "min_free_bytes": 0,
            "retry_seconds": 0.2,
            "retry_max_seconds": 1,
            "network_seconds": 60,
            **self.settings,
        }
        return {f"PNEUMONIA_PACS_{name.upper()}": str(value) for name, value in settings.items()}

    @contextmanager
    def started(self, words: Sequence[str] = _SERVE, under: Sequence[str] = ()) -> Iterator["Node"]:
        """Start it and do not wait; at the end it is killed.

        Args:
            words: what Python runs.
            under: a command that runs Python.
        """
        log = self.folder.parent / "node.log"
        command = [*under, sys.executable, *words]
        with server_process(command, log, self.environment) as self.process:
            yield self
        self.process = None

    @contextmanager
    def running(self, words: Sequence[str] = _SERVE, under: Sequence[str] = ()) -> Iterator["Node"]:
        """Start it and wait until it is ready; at the end it is killed."""

        def ready() -> bool:
            assert self.ended() is None, self.errors()
            return self.health() == 200

        with self.started(words, under):
            wait_until(ready, "the node is ready")
            yield self

    def needed_files(self) -> int:
        """How many images are to be kept on its disk."""
        with closing(sqlite3.connect(self.folder / "node.sqlite", timeout=30)) as connection:
            query = "SELECT count(*) FROM images WHERE file NOT NULL"
            return int(connection.execute(query).fetchone()[0])

    def ended(self) -> int | None:
        """The status it ended with; None while it runs."""
        return self.process.poll() if self.process else None

    def stop(self) -> None:
        """End it as systemd does."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(PATIENCE_SECONDS) == 0, self.errors()

    def errors(self) -> str:
        """What it wrote to its standard error since it was started last."""
        return (self.folder.parent / "node.err").read_text()

    def log(self) -> str:
        """What it logged since it was started last."""
        return (self.folder.parent / "node.log").read_text()

    def health(self) -> int | None:
        """The status of ``GET /health``; None while nothing answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.monitoring_port}/health").status_code
        except httpx.HTTPError:
            return None

    def metrics(self) -> str:
        """What it counts."""
        url = f"http://127.0.0.1:{self.monitoring_port}/metrics"
        return httpx.get(url, timeout=PATIENCE_SECONDS).text

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """``pneumonia pacs`` for a person."""
        return subprocess.run(
            [sys.executable, "-m", "service", "pacs", *words],
            env={**os.environ, **self.environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    def images(self) -> list[dict[str, Any]]:
        """All that it knows, as ``pneumonia pacs list`` tells."""
        result = self.command("list", "--last", "100000")
        assert result.returncode == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    def states(self) -> dict[str, int]:
        """How many images are in each state that has any."""
        database = self.folder / "node.sqlite"
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            query = "SELECT state, count(*) FROM images GROUP BY state"
            return dict(connection.execute(query).fetchall())

    def count(self, state: str) -> int:
        """How many images are in a state, as its metrics say."""
        [found] = re.findall(
            rf'^pneumonia_pacs_images{{state="{state}"}} (\d+)', self.metrics(), re.MULTILINE
        )
        return int(found)

    def send(
        self, *paths: Path, called: str = "PNEUMONIA", calling: str = "STORESCU", options: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Send files by DCMTK's storescu, in one association."""
        command = [program("storescu", "dcmtk"), "-v", "-aet", calling, "-aec", called]
        command += [*options.split(), "127.0.0.1", str(self.port), *map(str, paths)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LONG_PATIENCE_SECONDS
        )

    def acknowledged(self, paths: Sequence[Path], **titles: str) -> set[Path]:
        """Send files, in small pieces, and say for which the node took the responsibility."""
        told = self.send(*paths, options="--no-halt --max-send-pdu 4096", **titles)
        taken, last = set(), None
        for line in (told.stdout + told.stderr).splitlines():
            if found := re.search(r"Sending file: (.+)", line):
                last = Path(found[1])
            elif "Received Store Response (Success)" in line and last:
                taken.add(last)
        return taken

    def kept_files(self) -> list[Path]:
        """Images that lie on its disk."""
        return sorted((self.folder / "images").iterdir())
