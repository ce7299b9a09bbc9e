"""The images, built from the Dockerfile for real: their size, and how little they need to run."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest

from tests import needs
from tests.dicom import file_bytes, radiograph
from tests.pacs import Node, write_xrays
from tests.process import free_port, health
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parent.parent.parent
MAX_MEGABYTES_OVER_BASE = 300
MAX_NODE_MEGABYTES = 200
BUILDAH = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
# where the check tool starts the image, which it does on the host's network
PORT = 8000


@dataclass(frozen=True)
class Image:
    """A built image, laid out in a folder.

    Attributes:
        root: its file system.
        config: user, environment, entry point and health check.
        report: what the check tool printed.
    """

    root: Path
    config: dict[str, Any]
    report: str

    def command(
        self,
        *words: str,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        volume: tuple[Path, str] | None = None,
    ) -> list[str]:
        """Run words in it with all it may expect: a read-only root, no capability, its user.

        Args:
            words: the program and its arguments.
            port: that the service listens on.
            settings: variables beside the image's own.
            volume: a folder, and where the image has it, where it may write.
        """
        user, _, group = self.config["User"].partition(":")
        environment = dict(entry.split("=", 1) for entry in self.config["Env"])
        environment |= {"PNEUMONIA_PORT": str(port), **(settings or {})}
        return [
            *(needs.program("bwrap", "bubblewrap"), "--ro-bind", str(self.root), "/"),
            *("--proc", "/proc", "--dev", "/dev", "--chdir", self.config["WorkingDir"]),
            *(("--bind", str(volume[0]), volume[1]) if volume else ()),
            *("--unshare-all", "--share-net", "--die-with-parent", "--cap-drop", "ALL"),
            *("--uid", user, "--gid", group, "--clearenv"),
            *(word for pair in environment.items() for word in ("--setenv", *pair)),
            *words,
        ]


@pytest.fixture(scope="module")
def xray() -> Path:
    """A real chest X-ray as a hospital would send it."""
    folder = needs.shared("data", "chest_xray_native", "NORMAL")
    return min(folder.iterdir())


@pytest.fixture(scope="module")
def image(xray: Path) -> Iterator[Image]:
    """The image, built and tried by the check tool, then laid out."""
    tool = needs.shared("tools", "container-check.sh")
    needs.root()
    needs.program("buildah")
    needs.program("debootstrap")
    needs.shipped_model()
    if not port_is_free(PORT):
        needs.missing(f"needs port {PORT} to be free")
    environment = {**os.environ, **BUILDAH}
    check = subprocess.run(
        [tool, ROOT, str(PORT), xray], env=environment, capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout + check.stderr
    with laid_out("container-check:latest", check.stdout) as found:
        yield found


@pytest.fixture(scope="module")
def node_image(image: Image) -> Iterator[Image]:
    """The node's image, built on the base that the check tool made for the service's."""
    del image
    tag = "container-check-pacs:latest"
    options = ("--network", "host", "--format", "docker", "--quiet", "--target", "pacs")
    buildah("bud", *options, "--tag", tag, str(ROOT))
    with laid_out(tag, buildah("images", "--format", "{{.Size}}", tag)) as found:
        yield found


@contextmanager
def laid_out(tag: str, report: str) -> Iterator[Image]:
    """An image that was built, in a folder."""
    container = buildah("from", tag)
    try:
        inspected = json.loads(buildah("inspect", "--type", "image", tag))
        yield Image(Path(buildah("mount", container)), inspected["Docker"]["config"], report)
    finally:
        buildah("rm", container)


def buildah(*words: str) -> str:
    """What it prints."""
    command = [needs.program("buildah"), *words]
    result = subprocess.run(
        command, env={**os.environ, **BUILDAH}, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


@pytest.fixture(scope="module")
def confined(image: Image) -> Iterator[int]:
    """The port of the image's own command, run with nothing to write to."""
    port = free_port()
    words = [*image.config["Entrypoint"], *image.config["Cmd"]]
    with subprocess.Popen(image.command(*words, port=port)) as process:
        try:
            wait_until_healthy(process, port)
            yield port
        finally:
            process.terminate()


def test_the_image_starts_and_answers_a_real_xray(image: Image) -> None:
    health, answer = image.report.splitlines()[-2:]
    assert json.loads(health)
    assert json.loads(answer)["decision"] in {"normal", "pneumonia", "uncertain"}


def test_the_image_is_small(image: Image) -> None:
    found = re.search(r"built: (\d+) MB \(of which the stand-in base: (\d+) MB\)", image.report)
    assert found, image.report
    assert int(found[1]) - int(found[2]) <= MAX_MEGABYTES_OVER_BASE


def test_nothing_but_serving_is_inside(image: Image) -> None:
    foreign = ("tensorflow", "keras", "onnx", "pip", "training", "export", "tests")
    code = f"import importlib.util as u; print([n for n in {foreign} if u.find_spec(n)])"
    result = subprocess.run(
        image.command("python", "-c", code, port=0), capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_it_runs_as_nobody_on_a_read_only_root(image: Image, confined: int, xray: Path) -> None:
    assert int(image.config["User"].partition(":")[0]) > 0
    answer = httpx.post(
        f"http://127.0.0.1:{confined}/predict",
        files={"file": xray.read_bytes()},
        timeout=PATIENCE_SECONDS,
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("syntax", ["RLE", "JPEG lossless", "JPEG-LS", "JPEG 2000"])
def test_it_reads_compressed_dicom_there(confined: int, xray: Path, syntax: str) -> None:
    with PIL.Image.open(xray) as image:
        samples = np.asarray(image.convert("L").resize((320, 320))).astype(np.uint16)
    answer = httpx.post(
        f"http://127.0.0.1:{confined}/predict",
        content=file_bytes(radiograph(samples << 4), syntax),
        headers={"Content-Type": "application/dicom"},
        timeout=PATIENCE_SECONDS,
    )
    assert answer.status_code == 200, answer.text


def test_its_health_check_tells_a_running_service_from_a_missing_one(
    image: Image, confined: int
) -> None:
    kind, *words = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    assert subprocess.run(image.command(*words, port=confined)).returncode == 0
    unused = subprocess.run(image.command(*words, port=free_port()), stderr=subprocess.DEVNULL)
    assert unused.returncode == 1


def test_the_nodes_image_takes_images_with_one_folder_to_write_to(
    image: Image, node_image: Image, tmp_path: Path
) -> None:
    base = re.search(r"stand-in base: (\d+) MB", image.report)
    assert base
    assert int(node_image.report.split()[0]) - int(base[1]) <= MAX_NODE_MEGABYTES
    code = (
        "import importlib.util as u; print([n for n in ('onnxruntime', 'pip') if u.find_spec(n)])"
    )
    inside = subprocess.run(
        node_image.command("python", "-c", code), capture_output=True, text=True, check=True
    )
    assert inside.stdout.strip() == "[]"
    node = Node(tmp_path / "node", {"service_url": f"http://127.0.0.1:{free_port()}"})
    node.folder.mkdir()
    [kept] = node_image.config["Volumes"]
    settings = {**node.environment, "PNEUMONIA_PACS_FOLDER": kept}
    words = [*node_image.config["Entrypoint"], *node_image.config["Cmd"]]
    volume = (node.folder, kept)
    command = node_image.command(*words, settings=settings, volume=volume)
    with subprocess.Popen(command) as process:
        try:
            wait_until(lambda: process.poll() is not None or node.health() == 200, "ready")
            assert process.poll() is None
            paths = write_xrays(tmp_path / "sent", [4001])
            assert node.acknowledged(paths) == set(paths)
            assert len(node.kept_files()) == 1
            kind, *check = node_image.config["Healthcheck"]["Test"]
            assert kind == "CMD"
            checked = node_image.command(*check, settings=settings)
            assert subprocess.run(checked).returncode == 0
        finally:
            process.terminate()
    assert subprocess.run(checked, stderr=subprocess.DEVNULL).returncode == 1


def port_is_free(port: int) -> bool:
    """Whether a server could listen on all addresses of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def wait_until_healthy(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Wait for a 200 of ``/health``."""

    def healthy() -> bool:
        assert process.poll() is None, "the service ended"
        return health(port) == 200

    wait_until(healthy, "healthy")
