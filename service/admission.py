"""Bounded admission: what is let in, what waits, what is shed, and what is never forgotten."""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from service.errors import DeadlineExceeded, NotReady, Overloaded

T = TypeVar("T")

# how fast the estimate of seconds a unit of work follows what is measured
_LEARNING_RATE = 0.05

_TOO_LATE = "The service shut down before the turn of this request came. Ask another replica."


@dataclass(frozen=True)
class Done(Generic[T]):
    """A finished job.

    Attributes:
        value: what the job returned.
        queue_seconds: how long it waited for a free worker.
    """

    value: T
    queue_seconds: float


class Admission:
    """Runs jobs on a fixed number of threads and admits no more than can be done in time.

    Work is counted in units (the caller's estimate, say megapixels); how long a unit takes is
    learnt from the jobs that ran. A job whose expected wait is too long is refused at once. One
    that waits and is cancelled leaves the queue. One that runs cannot be stopped: its caller may go
    (cancelled, or past its deadline), its worker stays taken until the thread is done.

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
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._admitted_units = 0.0
        self._admitted_jobs = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = True
        self._ended = False

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
        return self._admitted_units * self._seconds_per_unit / self._workers

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
            NotReady: the service is draining.
            Overloaded: the expected wait is too long.
            DeadlineExceeded: the job did not finish in time.
        """
        self.check()
        start = perf_counter()
        self._admit(units)
        try:
            await self._worker(start)
        except BaseException:
            self._forget(units)
            raise
        if self._ended:  # our turn came, and the end came before we could take it
            self._forget(units)
            raise NotReady(_TOO_LATE)
        # from here on the worker is ours, and only the end of the thread gives it back
        begun = perf_counter()
        future = asyncio.get_running_loop().run_in_executor(self._pool, job)
        future.add_done_callback(lambda ended: self._finish(ended, units, begun))
        remaining = self._deadline - (begun - start)
        done, _ = await asyncio.wait({future}, timeout=remaining)
        if not done:
            raise DeadlineExceeded(self._late())
        return Done(future.result(), begun - start)

    async def close(self, patience: float) -> bool:
        """Admit nothing more and wait for what was admitted.

        Args:
            patience: longest wait, seconds.

        Returns:
            Whether all admitted work ended in time.
        """
        self._open = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._idle.wait()
        self._ended = True
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(NotReady(_TOO_LATE))
        self._waiting.clear()
        self._pool.shutdown(wait=False)
        return self._idle.is_set()

    async def _worker(self, start: float) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._deadline - (perf_counter() - start)):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and not turn.exception():
                self._release()  # our turn came in the moment we left: pass it on
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded(self._late()) from None
            raise

    def _finish(self, ended: "asyncio.Future[T]", units: float, begun: float) -> None:
        # a job that failed may have stopped early: it says nothing about the time a unit takes
        if ended.exception() is None:
            measured = (perf_counter() - begun) / units
            self._seconds_per_unit += _LEARNING_RATE * (measured - self._seconds_per_unit)
        self._forget(units)
        self._release()

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _admit(self, units: float) -> None:
        self._admitted_jobs += 1
        self._admitted_units += units
        self._idle.clear()

    def _forget(self, units: float) -> None:
        self._admitted_jobs -= 1
        self._admitted_units -= units
        if not self._admitted_jobs:
            self._admitted_units = 0.0  # no drift from adding and taking away
            self._idle.set()

    def _late(self) -> str:
        return f"The answer was not there within {self._deadline:g} s. Try again later."
