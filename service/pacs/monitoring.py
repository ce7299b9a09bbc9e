"""Health and metrics of the node, over HTTP, like the service's."""

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.errors import StartError
from service.pacs.spool import Spool
from service.pacs.store import Store

_CLOSED_SETS = {
    "associations": ("accepted", "rejected", "aborted", "refused"),
    "received": ("kept", "duplicate", "conflict", "refused", "not_understood", "no_room"),
    "asked": ("answered", "refused", "duplicate", "unavailable", "failed"),
    "sent": ("stored", "unavailable", "failed"),
    "told": ("delivered", "failed"),
    "shadow": ("answered", "refused", "failed"),
}


class Metrics:
    """What the node counts. Every series exists from the first scrape."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.associations = self._counter("associations", "Associations, by what became of them.")
        self.received = self._counter("received", "Objects that came, by what became of them.")
        self.asked = self._counter("asked", "Requests to the service, by result.")
        self.sent = self._counter("sent", "Attempts to send results, by result.")
        self.told = self._counter("told", "Webhook notifications of finished studies, by result.")
        self.shadow = self._counter("shadow", "Requests to the shadow service, by result.")

    def _counter(self, name: str, text: str) -> Counter:
        counter = Counter(f"pneumonia_pacs_{name}", text, ("result",), registry=self.registry)
        for result in _CLOSED_SETS[name]:
            counter.labels(result)
        return counter

    def watch(self, store: Store, spool: Spool) -> None:
        """Add what is read when it is asked for."""
        self.registry.register(_Gauges(store, spool))


class _Gauges(Collector):
    def __init__(self, store: Store, spool: Spool) -> None:
        self._store = store
        self._spool = spool

    def collect(self) -> Iterator[Metric]:
        """The states of the images, and the room that is left."""
        images = GaugeMetricFamily(
            "pneumonia_pacs_images", "Images known, by state.", labels=["state"]
        )
        for state, count in self._store.counts().items():
            images.add_metric([state], count)
        yield images
        oldest = self._store.oldest_waiting()
        yield GaugeMetricFamily(
            "pneumonia_pacs_oldest_waiting_seconds",
            "Since when the image that waits longest has waited; 0 where none waits.",
            value=0 if oldest is None else max(0.0, time.time() - oldest),
        )
        yield GaugeMetricFamily(
            "pneumonia_pacs_free_bytes",
            "Room on the disk where images wait.",
            value=self._spool.free_bytes(),
        )


class Monitor:
    """A small HTTP server: ``/health``, ``/health/live``, ``/health/ready``, ``/metrics``.

    Args:
        host: address to listen on.
        port: 0 for any free one.
        metrics: to expose.
        ready: whether the node takes images.

    Raises:
        StartError: the address cannot be listened on.
    """

    def __init__(self, host: str, port: int, metrics: Metrics, ready: Callable[[], bool]) -> None:
        try:
            self._server = make_server(
                host, port, _application(metrics, ready), _Server, _QuietHandler
            )
        except OSError as error:
            raise StartError(f"cannot listen on {host} port {port}: {error.strerror}") from error
        self.port = self._server.server_port

    def serve(self) -> None:
        """Answer, on a thread, until :meth:`close`."""
        threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()

    def close(self) -> None:
        """Give the port back."""
        self._server.shutdown()
        self._server.server_close()


def _application(metrics: Metrics, ready: Callable[[], bool]) -> WSGIApplication:
    def answer(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        kind = "application/json"
        status, body = "404 Not Found", json.dumps({"status": "not found"}).encode()
        if path == "/metrics":
            status, kind, body = "200 OK", CONTENT_TYPE_LATEST, generate_latest(metrics.registry)
        elif path == "/health/live" or (path in ("/health", "/health/ready") and ready()):
            status, body = "200 OK", json.dumps({"status": "ok"}).encode()
        elif path in ("/health", "/health/ready"):
            status, body = "503 Service Unavailable", json.dumps({"status": "not ready"}).encode()
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    return answer


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing: every scrape would be a line."""
