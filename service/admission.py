"""Bounded admission: what is let in, what waits, what is shed, and what is never forgotten."""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Generic, TypeVar

from service.errors import DeadlineExceeded, NotReady, Overloaded

T = TypeVar("T")

# how fast the estimate of seconds a unit of work follows what is measured
_LEARNING_RATE = 0.05


@dataclass(frozen=True)
class Done(Generic[T]):
    """A finished job.

    Attributes:
        value: what the job returned.
        queue_seconds: how long it waited for a free worker.
    """

    value: T
    queue_seconds: float


@dataclass(frozen=True, eq=False)
class _Admitted(Generic[T]):
    """A job that waits or runs, and where its caller expects the answer."""

    job: Callable[[], T]
    units: float
    since: float
    answer: "asyncio.Future[Done[T]]"


class Admission:
    """Runs jobs on a fixed number of threads and admits no more than can be done in time.

    Work is counted in units (the caller's estimate); how long a unit takes is learnt from the jobs
    that ran. A job whose expected wait is too long is refused at once. One that waits and whose
    caller leaves (cancelled, or past the deadline) leaves the queue. One that runs cannot be
    stopped: its caller may leave, its worker stays taken until the thread is done.

    All methods belong to one event loop; only the jobs run elsewhere.
    """

    def __init__(
        self, workers: int, max_wait: float, deadline: float, seconds_per_unit: float = 0.02
    ) -> None:
        """Start with no work.

        Args:
            workers: jobs that run at the same time.
            max_wait: longest expected wait, seconds, with which a job is admitted.
            deadline: longest time, seconds, from admission to answer.
            seconds_per_unit: first guess of what a unit of work takes on one worker.
        """
        self._workers = workers
        self._max_wait = max_wait
        self._deadline = deadline
        self._seconds_per_unit = seconds_per_unit
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="predict")
        self._free = workers
        self._waiting: deque[_Admitted[Any]] = deque()
        self._units = 0.0
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = True

    @property
    def queued(self) -> int:
        """Jobs that wait for a worker."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Workers that are taken, also by jobs nobody waits for any more."""
        return self._workers - self._free

    def expected_wait(self) -> float:
        """Seconds until a worker should be free for a new job, 0 when one is."""
        if self._free:
            return 0.0
        return self._units * self._seconds_per_unit / self._workers

    def check(self) -> None:
        """Raise what :meth:`run` would raise now; so that an upload in vain need not be read.

        Raises:
            NotReady: the service is draining.
            Overloaded: the expected wait is too long.
        """
        if not self._open:
            raise NotReady("The service is shutting down. Ask another replica.")
        wait = self.expected_wait()
        if wait > self._max_wait:
            raise Overloaded(
                f"The work already accepted takes about {wait:.1f} s. Try again later.",
                retry_after=max(1, math.ceil(wait)),
            )

    async def run(self, job: Callable[[], T], units: float) -> Done[T]:
        """Run a job on a worker thread.

        Args:
            job: what to run; what it raises is raised here.
            units: expected work, > 0.

        Raises:
            NotReady: the service is draining, or ended before the job's turn came.
            Overloaded: the expected wait is too long.
            DeadlineExceeded: the job did not finish in time.
        """
        self.check()
        answer: asyncio.Future[Done[T]] = asyncio.get_running_loop().create_future()
        admitted = _Admitted(job, units, perf_counter(), answer)
        self._units += units
        self._idle.clear()
        self._waiting.append(admitted)
        self._start()
        try:
            await asyncio.wait({answer}, timeout=self._deadline)
            if answer.done():
                return answer.result()
            raise DeadlineExceeded(
                f"The answer was not there within {self._deadline:g} s. Try again later."
            )
        finally:
            answer.cancel()  # one that is there but not fetched is not complained about either
            if admitted in self._waiting:
                self._waiting.remove(admitted)
                self._forget(units)

    async def close(self, patience: float) -> bool:
        """Admit nothing more and wait for what was admitted.

        Args:
            patience: longest wait, seconds; then those who still wait for a worker are told that
                they wait in vain.

        Returns:
            Whether all admitted work ended in time.
        """
        self._open = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._idle.wait()
        finished = self._idle.is_set()
        while self._waiting:
            admitted = self._waiting.popleft()
            self._forget(admitted.units)
            admitted.answer.set_exception(
                NotReady("The service shut down before the turn of this request came.")
            )
        self._pool.shutdown(wait=False)
        return finished

    def _start(self) -> None:
        """Give free workers to those who wait."""
        while self._free and self._waiting:
            admitted = self._waiting.popleft()
            self._free -= 1
            future = asyncio.get_running_loop().run_in_executor(self._pool, admitted.job)
            future.add_done_callback(partial(self._finish, admitted, perf_counter()))

    def _finish(self, admitted: _Admitted[T], begun: float, ended: "asyncio.Future[T]") -> None:
        error = ended.exception()
        if error is None:
            # one that failed may have stopped early, which says nothing about the time a unit takes
            measured = (perf_counter() - begun) / admitted.units
            self._seconds_per_unit += _LEARNING_RATE * (measured - self._seconds_per_unit)
        self._free += 1
        self._forget(admitted.units)
        if not admitted.answer.done():
            if error is None:
                admitted.answer.set_result(Done(ended.result(), begun - admitted.since))
            else:
                admitted.answer.set_exception(error)
        self._start()

    def _forget(self, units: float) -> None:
        self._units -= units
        if not self._waiting and self._free == self._workers:
            self._units = 0.0  # no drift from adding and taking away
            self._idle.set()
