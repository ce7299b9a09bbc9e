"""What comes over a socket: slow, huge, broken, endless or gone."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest

from tests.e2e.test_start_and_stop import PATIENT, in_flight, long_work, wait_for_requests
from tests.images import image_bytes
from tests.process import ServiceProcess, service_process
from tests.waiting import PATIENCE_SECONDS, wait_until

BRIGHT = image_bytes(grey=170)


@dataclass(frozen=True)
class Answer:
    """A response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of the problem that it is."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["code"])


class Connection:
    """A socket, and the answers that come through it.

    Attributes:
        socket: to send through.
    """

    def __init__(self, client: socket.socket, stream: BinaryIO) -> None:
        self.socket = client
        self._stream = stream

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def answer(self) -> Answer:
        """The next answer."""
        status = int(self._stream.readline().split()[1])
        headers = {}
        while line := self._stream.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers, self._stream.read(int(headers.get("content-length", 0))))

    def is_closed(self) -> bool:
        """Whether nothing more comes."""
        try:
            return self._stream.read(1) == b""
        except ConnectionResetError:
            return True


@contextmanager
def connection(service: ServiceProcess) -> Iterator[Connection]:
    with (
        socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS) as client,
        client.makefile("rb") as stream,
    ):
        yield Connection(client, stream)


def head(*lines: str, length: int | None = None) -> bytes:
    fields = ["POST /predict HTTP/1.1", "Host: x", *lines]
    if length is not None:
        fields.append(f"Content-Length: {length}")
    return ("\r\n".join(fields) + "\r\n\r\n").encode()


@pytest.fixture(scope="module")
def service(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with service_process(tiny_model, tmp_path_factory.mktemp("service"), **PATIENT) as running:
        yield running
        assert running.process.poll() is None
        assert {line["level"] for line in running.log_lines()} <= {"info", "warning"}


@pytest.fixture(autouse=True)
def goes_on(service: ServiceProcess) -> Iterator[None]:
    """After whatever a test did, nothing is left over and images are answered."""
    yield
    wait_until(lambda: in_flight(service) == 0, "no request is left")
    assert service.post("/predict", content=BRIGHT).status_code == 200


def test_two_gigabytes_announced(service: ServiceProcess) -> None:
    for kind in ("image/jpeg", "multipart/form-data; boundary=b"):
        with connection(service) as client:
            client.send(head(f"Content-Type: {kind}", length=2**31) + bytes(1000))
            answer = client.answer()
            assert (answer.status, answer.code) == (413, "too_large")


def test_a_client_that_asks_first_sends_nothing_in_vain(service: ServiceProcess) -> None:
    with connection(service) as client:
        client.send(head("Expect: 100-continue", length=2**31))
        assert client.answer().status == 413
    with connection(service) as client:
        client.send(head("Expect: 100-continue", length=len(BRIGHT)))
        assert client.answer().status == 100
        client.send(BRIGHT)
        assert client.answer().status == 200


@pytest.mark.parametrize("form", [False, True])
def test_a_client_that_sends_too_much_gets_to_read_why(service: ServiceProcess, form: bool) -> None:
    data = BRIGHT + bytes(40 * 2**20)
    options = {"files": {"file": data}} if form else {"content": data}
    response = service.post("/predict", **options)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_client_that_reads_only_after_it_sent_all_gets_to_read_why(
    service: ServiceProcess,
) -> None:
    size = 100_000_000
    with connection(service) as client:
        client.send(head(length=size))
        for _ in range(100):
            client.send(bytes(size // 100))
        answer = client.answer()
        assert (answer.status, answer.code) == (413, "too_large")
        client.send(head(length=len(BRIGHT)) + BRIGHT)
        assert client.answer().status == 200


def test_too_much_in_chunks_of_unknown_number(service: ServiceProcess) -> None:
    with connection(service) as client:
        client.send(head("Transfer-Encoding: chunked"))
        chunk = b"%x\r\n" % 2**20 + bytes(2**20) + b"\r\n"
        for _ in range(33):
            client.send(chunk)
        answer = client.answer()
        assert (answer.status, answer.code) == (413, "too_large")


def test_chunks_of_any_size_are_an_upload(service: ServiceProcess) -> None:
    with connection(service) as client:
        client.send(head("Transfer-Encoding: chunked"))
        for start in range(0, len(BRIGHT), 7):
            piece = BRIGHT[start : start + 7]
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        client.send(b"0\r\n\r\n")
        assert client.answer().status == 200


def test_a_body_that_comes_too_slowly(tiny_model: Path, tmp_path: Path) -> None:
    with (
        service_process(tiny_model, tmp_path, body_seconds=0.5) as service,
        connection(service) as client,
    ):
        client.send(head(length=1_000_000))

        def answers_while_the_body_drips() -> bool:
            client.send(b"x")
            return bool(select.select([client.socket], [], [], 0.05)[0])

        wait_until(answers_while_the_body_drips, "answered")
        answer = client.answer()
        assert (answer.status, answer.code) == (408, "request_timeout")


def test_an_upload_that_breaks_off(service: ServiceProcess) -> None:
    before = len(service.log_lines())
    with connection(service) as client:
        client.send(head(length=1000) + bytes(500))
        wait_for_requests(service)
    wait_until(
        lambda: 499 in [line.get("status") for line in service.log_lines()[before:]], "logged"
    )


def test_an_end_of_the_form_that_never_comes(service: ServiceProcess) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + BRIGHT
    with connection(service) as client:
        kind = "Content-Type: multipart/form-data; boundary=b"
        client.send(head(kind, length=len(part)) + part)
        answer = client.answer()
        assert (answer.status, answer.code) == (422, "invalid_request")


def metric(service: ServiceProcess, name: str) -> float:
    for line in service.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def test_a_client_that_goes_away_frees_its_place(service: ServiceProcess) -> None:
    data = long_work()
    earlier = len(service.log_lines())

    def statuses() -> list[object]:
        lines = service.log_lines()[earlier:]
        return [line["status"] for line in lines if line.get("route") == "/predict"]

    judged = metric(service, 'pneumonia_predictions_total{decision="pneumonia"}')
    with ExitStack() as clients:
        # several that are served first: the last is gone long before its turn
        *neighbours, leaver = (clients.enter_context(connection(service)) for _ in range(13))
        for client in (*neighbours, leaver):
            client.send(head(length=len(data)) + data[:-1])
        wait_for_requests(service, len(neighbours) + 1)
        for client in neighbours:
            client.send(data[-1:])
        wait_until(lambda: metric(service, "pneumonia_queued_jobs") > 0, "others wait")
        leaver.send(data[-1:])
        service.get("/health")  # an answer later it has been read, and waits too
        leaver.socket.shutdown(socket.SHUT_RDWR)
        assert [client.answer().status for client in neighbours] == [200] * len(neighbours)
    wait_until(lambda: len(statuses()) == len(neighbours) + 1, "all are logged")
    assert sorted(map(str, statuses())) == ["200"] * len(neighbours) + ["499"]
    now = metric(service, 'pneumonia_predictions_total{decision="pneumonia"}')
    assert now - judged == len(neighbours), "nobody worked for the one that left"


def test_one_connection_serves_good_and_bad(service: ServiceProcess) -> None:
    with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS) as client:
        for _ in range(3):
            assert client.post("/predict", content=b"junk").status_code == 415
            assert client.post("/predict", content=BRIGHT).status_code == 200
            assert client.get("/nothing").status_code == 404
    with connection(service) as raw:
        raw.send((head(length=len(BRIGHT)) + BRIGHT) * 3)
        for _ in range(3):
            assert raw.answer().status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nEndless: " + b"x" * 2**20,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000,
        b"GET /" + b"x" * 2**20,
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
        + b"Trailer: x\r\n" * 50_000,
    ],
)
def test_malformed_http_is_answered_as_every_error(service: ServiceProcess, data: bytes) -> None:
    with connection(service) as client:
        try:
            client.send(data)
            answer = client.answer()
        except (BrokenPipeError, ConnectionResetError):
            return  # it was closed before all was sent
        assert (answer.status, answer.code) == (400, "bad_request")
        assert client.is_closed()
    request_id = answer.headers["x-request-id"]
    (line,) = (line for line in service.log_lines() if line.get("request_id") == request_id)
    assert line["code"] == "bad_request"
    assert 'pneumonia_refused_total{code="bad_request"} 0.0' not in service.get("/metrics").text


def test_methods_and_paths_from_elsewhere(service: ServiceProcess) -> None:
    for line in (b"GET /%00 HTTP/1.1", b"GET /a%2f..%2f..%2fetc/passwd HTTP/1.1"):
        with connection(service) as client:
            client.send(line + b"\r\nHost: x\r\n\r\n")
            answer = client.answer()
            assert (answer.status, answer.code) == (404, "not_found")
    with connection(service) as client:
        client.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer().status in (400, 404, 405)
