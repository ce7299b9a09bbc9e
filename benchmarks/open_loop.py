"""Load at a rate of its own: requests arrive as in life, whether or not earlier ones were answered.

A client that waits for each answer slows down with the service and so hides what a queue does to
latency. Here arrivals are a Poisson process (seeded), latency counts from the moment a request was
due, and whoever is late is late for the record. No tool at hand does that with little processor
time of its own, which it takes from the service.
"""

import asyncio
import time
from dataclasses import dataclass, field
from random import Random

import httptools
import uvloop

from benchmarks.load import Load, Payload, percentile

_TIMEOUT_SECONDS = 30.0


@dataclass
class Arrivals:
    """What became of the requests of one run.

    Attributes:
        seconds: how long requests arrived.
        latencies: status -> seconds from due to answered, in the order of the answers.
        failures: connections that broke and answers that did not come in time.
        cpu_seconds: what this client used of the cores.
    """

    seconds: float
    latencies: dict[int, list[float]] = field(default_factory=dict)
    failures: int = 0
    cpu_seconds: float = 0.0

    def load(self, *statuses: int) -> Load:
        """The same as a load whose latencies are those of the given statuses, by default all."""
        chosen = [
            seconds
            for status, values in self.latencies.items()
            if not statuses or status in statuses
            for seconds in values
        ]
        return Load(
            seconds=self.seconds,
            statuses={str(status): len(values) for status, values in self.latencies.items()},
            failures=self.failures,
            p50_ms=percentile(chosen, 50) * 1e3,
            p99_ms=percentile(chosen, 99) * 1e3,
            mean_ms=sum(chosen) / max(1, len(chosen)) * 1e3,
            client_cpu_seconds=self.cpu_seconds,
        )


def arrive(port: int, path: str, payload: Payload, rate: float, seconds: float) -> Arrivals:
    """Send ``rate`` requests a second for so many seconds, then wait for the last answers."""
    return uvloop.run(_arrive(port, path, payload, rate, seconds))


async def _arrive(port: int, path: str, payload: Payload, rate: float, seconds: float) -> Arrivals:
    random = Random(0)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {payload.content_type}\r\n"
    requests = [
        f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in payload.bodies
    ]
    found = Arrivals(seconds)
    idle: list[_Connection] = []
    tasks = []
    cpu, start = time.process_time(), time.perf_counter()
    due = start
    while (due := due + random.expovariate(rate)) - start <= seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(_request(port, random.choice(requests), due, idle, found)))
    await asyncio.gather(*tasks)
    found.cpu_seconds = time.process_time() - cpu
    for connection in idle:
        connection.transport.close()
    return found


async def _request(
    port: int, request: bytes, due: float, idle: "list[_Connection]", found: Arrivals
) -> None:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            connection = idle.pop() if idle else None
            if connection is None or connection.transport.is_closing():
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
            status = await connection.ask(request)
    except OSError:  # a timeout is one too
        found.failures += 1
        return
    found.latencies.setdefault(status, []).append(time.perf_counter() - due)
    if connection.reusable:
        idle.append(connection)
    else:
        connection.transport.close()


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    transport: asyncio.Transport
    reusable = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """Send a request; its answer's status will be the result."""
        self._answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self.reusable = False
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "_answer") and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed before the answer"))

    def on_message_complete(self) -> None:
        """The parser found the answer's end."""
        self.reusable = (
            self._parser.should_keep_alive() and self.transport.get_write_buffer_size() == 0
        )
        if not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())
