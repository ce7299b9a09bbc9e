"""Two replicas behind Debian's nginx, with the configuration that operations.md shows."""

import re
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from service.http.problem_details import TABLE, Code
from tests import needs
from tests.images import image_bytes
from tests.process import ServiceProcess, free_port, service_process
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parent.parent.parent
SITE = ROOT / "deploy" / "nginx" / "pneumonia.conf"
BRIGHT = image_bytes(grey=170)

MAIN = """
daemon off;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@dataclass
class Replicas:
    """Two replicas and what stands before them.

    Attributes:
        url: of nginx.
        trust: its certificate.
        ports: of the replicas.
        running: what runs on each port now.
    """

    url: str
    trust: ssl.SSLContext
    ports: tuple[int, int]
    model: Path
    folder: Path
    running: dict[int, tuple[ExitStack, ServiceProcess]] = field(default_factory=dict)

    def start(self, port: int) -> None:
        """Start a replica and wait until it takes requests."""
        folder = self.folder / str(port)
        folder.mkdir(exist_ok=True)
        stack = ExitStack()
        service = service_process(self.model, folder, port=port, drain_delay_seconds=0.5)
        self.running[port] = stack, stack.enter_context(service)

    def stop(self) -> None:
        """Kill both."""
        for stack, service in self.running.values():
            service.process.kill()
            stack.close()
        self.running.clear()

    def client(self) -> httpx.Client:
        """Somebody who trusts the certificate."""
        return httpx.Client(base_url=self.url, verify=self.trust, timeout=PATIENCE_SECONDS)

    def replace(self, port: int) -> int:
        """Ask a replica to end, start another in its place; the exit status of the first."""
        stack, service = self.running.pop(port)
        service.process.send_signal(signal.SIGTERM)
        status = service.process.wait(PATIENCE_SECONDS)
        stack.close()
        self.start(port)
        return status


@pytest.fixture(scope="module")
def replicas(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    nginx, openssl = needs.program("nginx"), needs.program("openssl")
    folder = tmp_path_factory.mktemp("nginx")
    certificate, key = folder / "site.crt", folder / "site.key"
    make_certificate = [
        *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-subj", "/CN=xray.example", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(key), "-out", str(certificate)),
    ]
    subprocess.run(make_certificate, check=True, capture_output=True)
    ports = free_port(), free_port()
    front = free_port()
    site = SITE.read_text(encoding="utf-8")
    for written, used in (
        ("listen 443", f"listen 127.0.0.1:{front}"),
        ("127.0.0.1:8001", f"127.0.0.1:{ports[0]}"),
        ("127.0.0.1:8002", f"127.0.0.1:{ports[1]}"),
        ("/etc/nginx/tls/xray.example.crt", str(certificate)),
        ("/etc/nginx/tls/xray.example.key", str(key)),
    ):
        assert site.count(written) == 1, written
        site = site.replace(written, used)
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    trust = ssl.create_default_context(cafile=certificate)
    found = Replicas(f"https://127.0.0.1:{front}", trust, ports, tiny_model, folder)
    with ExitStack() as stack:
        for port in ports:
            found.start(port)
        stack.callback(found.stop)
        process = subprocess.Popen(
            [nginx, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"]
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        wait_until(partial(listens, found), "nginx listens")
        yield found
        assert not list(folder.glob("body/*")), "an upload was written to disk"


def listens(replicas: Replicas) -> bool:
    """Whether nginx does."""
    try:
        with replicas.client() as client:
            return client.get("/health").status_code == 200
    except httpx.ConnectError:
        return False


@pytest.fixture
def client(replicas: Replicas) -> Iterator[httpx.Client]:
    time.sleep(2)  # forty requests at once are allowed again
    with replicas.client() as client:
        yield client


def test_a_rolling_restart_loses_no_request(replicas: Replicas) -> None:
    end = threading.Event()
    statuses: list[int | str] = []

    def keep_asking() -> None:
        with replicas.client() as own:
            while not end.wait(0.2):
                try:
                    statuses.append(own.post("/predict", files={"file": BRIGHT}).status_code)
                except httpx.HTTPError as error:
                    statuses.append(repr(error))

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for port in replicas.ports:
            before = len(statuses)
            assert replicas.replace(port) == 0
            assert len(statuses) > before, "there was no load"
        # nginx comes back to each of the new ones
        for _, service in replicas.running.values():
            wait_until(partial(answers, service), "a new replica answers")
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}


def answers(service: ServiceProcess) -> bool:
    return any(line.get("route") == "/predict" for line in service.log_lines())


def check_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"] == TABLE[cast("Code", code)][1], "the same as the service gives it"
    assert re.fullmatch("[0-9a-f]{32}", problem["request_id"])
    return problem


def test_one_client_cannot_take_all(client: httpx.Client) -> None:
    # many at a time: one after the other, a slow machine sends no more than it may
    with ThreadPoolExecutor(16) as threads:
        responses = list(threads.map(lambda _: client.get("/model"), range(200)))
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 40
    refused = next(response for response in responses if response.status_code == 429)
    assert check_problem(refused, 429, "overloaded")["retry_after"] == 1
    assert refused.headers["retry-after"] == "1"


def test_several_readers_behind_one_address_open_the_page(client: httpx.Client) -> None:
    web = ROOT / "service" / "web"
    files = [file for part in ("css", "js") for file in (web / part).rglob("*.*")]
    for _ in range(4):
        assert client.get("/").status_code == 200
        for file in files:
            assert client.get(f"/static/{file.relative_to(web)}").status_code == 200


def test_what_nginx_refuses_itself_looks_like_the_service(client: httpx.Client) -> None:
    check_problem(client.post("/predict", content=bytes(34 * 2**20)), 413, "too_large")
    assert client.get("/metrics").status_code == 404


def test_answers_come_through_unchanged(client: httpx.Client) -> None:
    response = client.post("/predict", content=b"text", headers={"x-request-id": "case-1"})
    assert (response.status_code, response.json()["request_id"]) == (415, "case-1")
    assert "strict-transport-security" in response.headers
    assert response.headers["server"] == "nginx", "without its version"
    batch = client.post("/predict/batch", files=[("files", BRIGHT), ("files", b"text")])
    assert [sorted(entry) for entry in batch.json()["results"]] == [
        ["index", "prediction"],
        ["index", "problem"],
    ]
    assert client.get("/").text.startswith("<!doctype html>")


def test_the_id_of_a_request_is_the_same_in_every_log_and_answer(
    replicas: Replicas, client: httpx.Client
) -> None:
    trace = f"00-{'4b' * 16}-{'f0' * 8}-01"
    for sent in ({"traceparent": trace}, {"x-request-id": "of the client"}):
        response = client.post("/predict", content=BRIGHT, headers=sent)
        request_id = response.json()["request_id"]
        assert re.fullmatch("[0-9a-f]{32}", request_id), "made by nginx"

        def ours(request_id: str = request_id) -> list[dict[str, object]]:
            logs = (service.log_lines() for _, service in replicas.running.values())
            return [line for line in chain(*logs) if line.get("request_id") == request_id]

        # the client may have its answer before the line is written
        wait_until(lambda: len(ours()) >= 2, "both lines")
        assert [line["message"] for line in ours()] == ["answer", "request"]
        assert {line.get("trace_id") for line in ours()} == {
            "4b" * 16 if "traceparent" in sent else None
        }
    refused = client.post("/predict", content=bytes(34 * 2**20), headers={"x-request-id": "case-2"})
    assert refused.json()["request_id"] == "case-2"


def test_without_any_replica_clients_are_told_to_come_again(
    replicas: Replicas, client: httpx.Client
) -> None:
    replicas.stop()
    response = client.post("/predict", content=BRIGHT)
    check_problem(response, 503, "not_ready")
    assert response.headers["retry-after"] == "2"
    for port in replicas.ports:
        replicas.start(port)
    assert client.post("/predict", content=BRIGHT).status_code == 200
