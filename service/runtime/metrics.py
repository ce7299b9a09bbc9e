"""What the service counts, for Prometheus."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from service.imaging.radiograph import Source
from service.inference.contract import Contract
from service.inference.contract import Histogram as ReferenceHistogram
from service.inference.predictor import Prediction
from service.runtime.drift_metrics import DriftMetrics

STAGES = ("decode", "queue", "inference", "total")
DECISIONS = ("pneumonia", "normal", "uncertain")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PROBABILITIES = tuple(step / 20 for step in range(1, 21))
_DISTANCES = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 30.0, 50.0, 100.0)


class Metrics:
    """One registry and all that is in it; every app has its own.

    Series whose labels are known beforehand exist from the first scrape, so that a rate over them
    is zero and not missing.
    """

    def __init__(self, devices: tuple[str, ...] = ()) -> None:
        """Count nothing yet.

        Args:
            devices: see :class:`service.runtime.drift_metrics.DriftMetrics`.
        """
        registry = CollectorRegistry()
        self.registry = registry
        self.drift = DriftMetrics(registry, devices)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.requests = Counter(
            "pneumonia_requests",
            "Requests answered.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.in_flight = Gauge(
            "pneumonia_requests_in_flight", "Requests being answered.", registry=registry
        )
        self.stages = Histogram(
            "pneumonia_stage_seconds",
            "How long each stage of a prediction took.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.refused = Counter(
            "pneumonia_refused",
            "Requests and batch items answered with a problem, by its code.",
            ("code",),
            registry=registry,
        )
        self.predictions = Counter(
            "pneumonia_predictions", "Predictions, by decision.", ("decision",), registry=registry
        )
        self.queued_jobs = Gauge(
            "pneumonia_queued_jobs", "Images waiting for a free worker.", registry=registry
        )
        self.queued_work = Gauge(
            "pneumonia_queued_work_seconds",
            "How long a new image is expected to wait for a worker.",
            registry=registry,
        )
        self.ready = Gauge(
            "pneumonia_ready", "1 while the service takes requests, else 0.", registry=registry
        )
        self._model = Info("pneumonia_model", "The model that answers.", registry=registry)
        self._probability: Histogram | None = None
        self._distance: Histogram | None = None
        for stage in STAGES:
            self.stages.labels(stage)
        for decision in DECISIONS:
            self.predictions.labels(decision)

    def expect_requests(self, route: str, methods: Iterable[str]) -> None:
        """Let the series of a route exist before its first request."""
        for method in methods:
            self.requests.labels(route, method, "200")

    def expect_refusals(self, codes: Iterable[str]) -> None:
        """Let the series of each problem code exist before its first problem."""
        for code in codes:
            self.refused.labels(code)

    def describe_model(self, contract: Contract, sha256: str) -> None:
        """Say which model answers and prepare its histograms.

        Their bucket edges are those of the contract's reference histograms where it has them, so
        that live and reference counts can be compared bucket by bucket.
        """
        self._model.info({"name": contract.name, "version": contract.version, "sha256": sha256})
        references = contract.reference_histograms
        self._probability = Histogram(
            "pneumonia_probability",
            "Answered probabilities of pneumonia.",
            buckets=_edges(references.get("probability"), _PROBABILITIES),
            registry=self.registry,
        )
        self._distance = Histogram(
            "pneumonia_input_distance",
            "How far the images lie from the chest X-rays the model was made for.",
            buckets=_edges(references.get("distance"), _DISTANCES),
            registry=self.registry,
        )

    def count_refusal(
        self, code: str, distance: float | None = None, source: Source | None = None
    ) -> None:
        """Count a problem that was answered.

        Args:
            code: of the problem.
            distance: of the input check, where the image reached it.
            source: of a DICOM file, where its header could be read.
        """
        self.refused.labels(code).inc()
        self.drift.count_refusal(source)
        self._observe_distance(distance)

    def count_prediction(
        self, prediction: Prediction, queue_seconds: float, total_seconds: float
    ) -> None:
        """Count an answer and how long its stages took."""
        self.predictions.labels(prediction.decision).inc()
        self.drift.count_prediction(prediction)
        if self._probability is not None:
            self._probability.observe(prediction.probability)
        self._observe_distance(prediction.input_check.distance)
        for stage, seconds in (
            ("decode", prediction.decode_seconds),
            ("queue", queue_seconds),
            ("inference", prediction.inference_seconds),
            ("total", total_seconds),
        ):
            self.stages.labels(stage).observe(seconds)

    def _observe_distance(self, distance: float | None) -> None:
        if distance is not None and self._distance is not None:
            self._distance.observe(distance)


def _edges(reference: ReferenceHistogram | None, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    # Prometheus counts below each edge, so the lowest edge of a reference is no bucket of its own
    return reference.edges[1:] if reference else otherwise
