"""What runs: the model, the admission, and whether requests are taken."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager

from service import __version__
from service.errors import NotReady
from service.inference.loading import load_predictor
from service.inference.model import Model
from service.inference.predictor import Predictor
from service.runtime.admission import Admission
from service.runtime.baseline import Baseline
from service.runtime.cgroups import memory_limit
from service.runtime.memory import most_workers
from service.runtime.metrics import Metrics
from service.settings import Settings

_logger = logging.getLogger("service.runtime")


class Runtime:
    """The parts of one running service and its way from starting over ready to drained.

    Attributes:
        settings: what it was made with.
        memory_limit: of the container, in bytes; None where there is none.
        workers: images worked on at the same time, as many as there is memory for.
        metrics: what it counts.
        finished: whether all accepted work was done when the service stopped.
    """

    def __init__(self, settings: Settings, predictor: "Future[Predictor] | None" = None) -> None:
        """Start with nothing running.

        Args:
            settings: of the service.
            predictor: what will answer, where it is being loaded already.

        Raises:
            StartError: the baseline cannot be read.
        """
        self.settings = settings
        self.memory_limit = memory_limit()
        self.workers = most_workers(settings, self.memory_limit)
        self._early = predictor
        self.metrics = Metrics(settings.devices)
        self._baseline = Baseline.read(settings.baseline) if settings.baseline else None
        self.finished = True
        self._admission: Admission | None = None
        self._predictor: Predictor | None = None
        self._loading: asyncio.Future[Predictor] | None = None
        self._drained_from: float | None = None
        self.metrics.ready.set_function(lambda: float(self.ready))
        self.metrics.queued_jobs.set_function(
            lambda: self._admission.queued if self._admission else 0
        )
        self.metrics.queued_work.set_function(
            lambda: self._admission.expected_wait() if self._admission else 0
        )

    @property
    def failure(self) -> BaseException | None:
        """Why the model could not be loaded; None as long as nothing is wrong."""
        loading = self._loading
        if loading is None or not loading.done() or loading.cancelled():
            return None
        return loading.exception()

    @property
    def ready(self) -> bool:
        """Whether a load balancer should send requests here."""
        return self._predictor is not None and self._drained_from is None

    def check_ready(self) -> None:
        """Raise unless :attr:`ready`.

        Raises:
            NotReady: which of starting and ending it is.
        """
        if self._drained_from is not None:
            raise NotReady("The service is shutting down.")
        if self._predictor is None:
            raise NotReady("The model is being loaded.")

    @property
    def closing(self) -> bool:
        """Whether new requests are refused because the service is about to end."""
        if self._drained_from is None:
            return False
        return time.monotonic() >= self._drained_from + self.settings.drain_delay_seconds

    @property
    def predictor(self) -> Predictor:
        """What answers.

        Raises:
            NotReady: the model is not loaded yet, or the service is about to end.
        """
        if self.closing:
            raise NotReady("The service is shutting down. Ask another replica.")
        if self._predictor is None:
            raise NotReady("The model is being loaded. Try again in a few seconds.")
        return self._predictor

    @property
    def admission(self) -> Admission:
        """Who may run when; there is one as soon as the predictor is there."""
        if self._admission is None:
            raise NotReady("The service is not running.")
        return self._admission

    def drain(self) -> None:
        """Tell load balancers to go; requests are still taken for ``drain_delay_seconds``."""
        if self._drained_from is None:
            self._drained_from = time.monotonic()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the model in the background; at the end wait for the work that was accepted."""
        settings = self.settings
        self._admission = Admission(
            self.workers, settings.max_wait_seconds, settings.deadline_seconds
        )
        self._loading = (
            asyncio.wrap_future(self._early)
            if self._early
            else asyncio.ensure_future(asyncio.to_thread(self._load))
        )
        self._loading.add_done_callback(self._loaded)
        try:
            yield
        finally:
            predictor, self._predictor = self._predictor, None
            self.drain()
            self._loading.cancel()
            await asyncio.wait({self._loading})
            self.finished = await self._admission.close(max(0.0, self._time_to_drain()))
            if predictor is not None:
                predictor.close()

    def _time_to_drain(self) -> float:
        """Seconds left for accepted work."""
        settings = self.settings
        until = (self._drained_from or 0) + settings.drain_delay_seconds + settings.drain_seconds
        return until - time.monotonic()

    def _load(self) -> Predictor:
        return load_predictor(self.settings)

    def _loaded(self, loading: "asyncio.Future[Predictor]") -> None:
        if loading.cancelled() or loading.exception():
            return
        self._predictor = loading.result()
        model = self._predictor.model
        self.metrics.describe_model(model.contract, model.sha256)
        baseline = self._baseline
        if baseline and baseline.model_sha256 == model.sha256:
            self.metrics.drift.show_baseline(baseline)
        elif baseline:
            _logger.warning(
                "the baseline was made with another model, so drift is not watched: make a new one "
                "with `pneumonia baseline`",
                extra={"fields": {"baseline_model_sha256": baseline.model_sha256}},
            )
        _logger.info("ready", extra={"fields": self._start_fields(model)})

    def _start_fields(self, model: Model) -> dict[str, object]:
        """What answers from now on and within which limits, for the log."""
        settings = self.settings
        return {
            "service_version": __version__,
            "model": model.contract.name,
            "version": model.contract.version,
            "model_sha256": model.sha256,
            "input_check": settings.input_check,
            "workers": self.workers,
            "memory_limit": self.memory_limit,
            "max_bytes": settings.max_bytes,
            "max_pixels": settings.max_pixels,
            "max_batch": settings.max_batch,
            "max_upload_memory": settings.max_upload_memory,
            "max_wait_seconds": settings.max_wait_seconds,
            "deadline_seconds": settings.deadline_seconds,
            "body_seconds": settings.body_seconds,
        }
