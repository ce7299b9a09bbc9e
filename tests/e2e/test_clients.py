"""The examples of docs/clients.md, run as they stand, but against a service on another port."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from tests import needs
from tests.dicom import file_bytes, radiograph
from tests.images import image_bytes
from tests.process import ROOT, ServiceProcess, service_process
from tests.waiting import PATIENCE_SECONDS

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
TOOLS = ROOT / ".tools" / "bin"


def example(section: str, language: str, number: int = 0) -> str:
    """A block of code in a section of the page."""
    text = PAGE[PAGE.index(f"\n## {section}\n") + 1 :].split("\n## ")[0]
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return blocks[number]


def run(command: list[str], folder: Path, **environment: str) -> str:
    """What a command prints that must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": f"{TOOLS}:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The model that ships, whose second example is refused."""
    folder = tmp_path_factory.mktemp("shipped")
    # no answer is late on a machine that is busy with other things
    with service_process(needs.shipped_model(), folder, deadline_seconds=600) as running:
        yield running


@contextmanager
def shedding_once(service: ServiceProcess) -> Iterator[tuple[str, list[int]]]:
    """A server that sheds the first request and passes on all others; with the statuses it sent."""
    sent: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not sent:
                sent.append(429)
                self.send_response(429)
                self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            answer = service.post(self.path, content=body)
            sent.append(answer.status_code)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        yield url, sent


@contextmanager
def serving(handler: object) -> Iterator[str]:
    """A server on a thread; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_curl_predicts_draws_and_is_told_what_it_forgot(
    service: ServiceProcess, tmp_path: Path
) -> None:
    needs.program("curl")
    (tmp_path / "service").symlink_to(ROOT / "service")
    script = example("curl", "sh").replace("localhost:8000", f"127.0.0.1:{service.port}")
    script = script.replace("curl ", "curl --silent --show-error --write-out '\\n' ")
    told = run(["sh", "-ec", script], tmp_path).strip().splitlines()
    one, batch, prevalence = (json.loads(line) for line in told if line)
    assert one["decision"] == prevalence["decision"] == "pneumonia"
    assert prevalence["adjusted"]["prevalence"] == 0.1
    assert [next(iter(item.keys() - {"index"})) for item in batch["results"]] == [
        "prediction",
        "problem",
    ]
    assert (tmp_path / "evidence.png").read_bytes().startswith(b"\x89PNG")
    forgot = ["curl", "--silent", "--data-binary", f"@{ROOT}/service/web/example.jpg"]
    problem = json.loads(run([*forgot, f"{service.url}/predict"], tmp_path))
    assert problem["code"] == "unsupported_type"
    advice = re.findall(r"-H '([^']+)'", problem["detail"])
    assert len(advice) == 1
    assert "-F file=@" in problem["detail"]
    mended = run([*forgot, "-H", advice[0], f"{service.url}/predict"], tmp_path)
    assert json.loads(mended)["decision"] == "pneumonia"


def test_python_asks_about_a_folder_and_waits_as_it_is_told(
    service: ServiceProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "archive" / "2026"
    folder.mkdir(parents=True)
    grey = np.asarray(Image.open(ROOT / "service" / "web" / "example.jpg").convert("L"))
    (folder / "chest.dcm").write_bytes(file_bytes(radiograph(grey, bits=8)))
    (folder / "notes.txt").write_text("no image")
    (folder / "photo.jpg").write_bytes(image_bytes())
    with shedding_once(service) as (url, sent):
        (tmp_path / "ask.py").write_text(
            example("Python", "python").replace("http://localhost:8000", url)
        )
        told = run([sys.executable, "ask.py", str(tmp_path / "archive")], tmp_path)
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line["file"] for line in lines] == ["chest.dcm", "notes.txt", "photo.jpg"]
    assert lines[0]["decision"] == "pneumonia"
    assert lines[0]["uids"]["study_instance_uid"] == "1.2.3.4.1"
    assert [line.get("code") for line in lines[1:]] == ["unsupported_type", "not_a_chest_xray"]
    assert sent[0] == 429
    assert len(sent) == 4


def test_a_client_made_from_the_description_works(service: ServiceProcess, tmp_path: Path) -> None:
    if not (TOOLS / "openapi-python-client").exists():
        needs.missing("needs openapi-python-client: make .tools/.installed")
    section = "A generated Python client"
    (tmp_path / "client.yaml").write_text(example(section, "yaml"))
    (tmp_path / "service").symlink_to(ROOT / "service")
    generate, _install = example(section, "sh").strip().splitlines()
    generate = generate.replace("http://localhost:8000", service.url)
    run(["sh", "-ec", f"{generate} --fail-on-warning"], tmp_path)
    code = example(section, "python").replace("http://localhost:8000", service.url)
    package = str(tmp_path / "pneumonia-detection-client")
    told = run([str(TOOLS / "python"), "-c", code], tmp_path, PYTHONPATH=package).splitlines()
    assert told[0].startswith("pneumonia 0.")
    assert told[1].startswith("not_a_chest_xray ")
    assert "inverted" in told[1]
    assert told[2:] == ["0 pneumonia", "1 not_a_chest_xray"]
    assert (tmp_path / "evidence.png").read_bytes().startswith(b"\x89PNG")
    functions = {path.stem for path in Path(package).glob("*/api/*/*.py")} - {"__init__"}
    assert {"predict", "predict_batch", "explain", "health", "model", "model_infer"} < functions
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+){0,2}", name) for name in functions)


def test_javascript_asks_from_another_origin_and_waits_as_it_is_told(
    browser: Browser, tiny_model: Path, tmp_path: Path
) -> None:
    page_folder = tmp_path / "page"
    page_folder.mkdir()
    handler = partial(_Quiet, directory=str(page_folder))
    with (
        serving(handler) as origin,
        service_process(tiny_model, tmp_path, cors_origins=origin) as service,
        browser.new_context() as context,
    ):
        html = example("JavaScript", "html").replace("http://localhost:8000", service.url)
        (page_folder / "ask.html").write_text(html)
        context.set_default_timeout(1000 * PATIENCE_SECONDS)
        page = context.new_page()
        shed: list[float] = []

        def shed_once(route: Route) -> None:
            if shed or route.request.method != "POST":
                route.continue_()
                return
            shed.append(1)
            headers = {
                "Retry-After": "1",
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Expose-Headers": "Retry-After",
            }
            route.fulfill(status=429, headers=headers)

        page.route("**/predict", shed_once)
        page.goto(f"{origin}/ask.html")
        files = [
            {"name": "bright.jpg", "mimeType": "image/jpeg", "buffer": image_bytes(grey=170)},
            {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no image"},
        ]
        page.locator("input").set_input_files(files)  # type: ignore[arg-type]
        told = page.locator("pre")
        expect(told).to_contain_text("bright.jpg: pneumonia")
        expect(told).to_contain_text("notes.txt: The first bytes belong to no known image type")
        assert shed


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
