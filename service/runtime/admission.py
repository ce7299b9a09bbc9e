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
from service.runtime.cpus import lower_thread_priority

T = TypeVar("T")

# how fast the estimate of seconds a unit of work follows what is measured
_LEARNING_RATE = 0.05
# of the estimate, so that one image that was nothing like its bytes does not shed those after it
_MOST_LEARNT = 5.0
# of the longest expected wait; the rest is for those who are let in and still send, or in a flood
# most would be read only to be shed
_SHARE_BEFORE_READING = 0.8


@dataclass(frozen=True)
class JobResult(Generic[T]):
    """A finished job.

    Attributes:
        value: what the job returned.
        queue_seconds: how long it waited for a free worker.
    """

    value: T
    queue_seconds: float


# no repr: a deque that does not hold one says so with it, and an answer's pixels take long to spell
@dataclass(frozen=True, eq=False, repr=False)
class _Admitted(Generic[T]):
    """A job that waits or runs, and where its caller expects the answer."""

    job: Callable[[], T]
    units: float
    since: float
    answer: "asyncio.Future[JobResult[T]]"


class Admission:
    """Runs jobs on a fixed number of threads and admits no more than can be done in time.

    Work is counted in units (the caller's estimate); how long a unit takes is learnt from the jobs
    that ran. A job whose expected wait is too long is refused at once. One that waits and whose
    caller leaves (cancelled, or past the deadline) leaves the queue. One that runs cannot be
    stopped: its caller may leave, its worker stays taken until the thread is done.

    All methods belong to one event loop; only the jobs run elsewhere, and the threads that run them
    take the next one from the queue themselves.
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
        self._threads = [
            ThreadPoolExecutor(1, f"predict-{number}", initializer=lower_thread_priority)
            for number in range(workers)
        ]
        self._asleep = list(self._threads)  # those that look for work only when woken
        self._unfinished = 0
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
        return self._unfinished - len(self._waiting)

    def expected_wait(self) -> float:
        """Seconds until a worker should be free for a new job, 0 when one is."""
        if self._unfinished < self._workers:
            return 0.0
        return self._units * self._seconds_per_unit / self._workers

    def check(self) -> None:
        """Raise when work that still has to be sent here would likely be refused by :meth:`run`.

        Raises:
            NotReady: the service is draining.
            Overloaded: the expected wait is too long.
        """
        self._check(_SHARE_BEFORE_READING * self._max_wait)

    def _check(self, longest: float) -> None:
        if not self._open:
            raise NotReady("The service is shutting down. Ask another replica.")
        wait = self.expected_wait()
        if wait > longest:
            raise Overloaded(
                f"The work already accepted takes about {wait:.1f} s. Try again later.",
                retry_after=max(1, math.ceil(wait)),
            )

    async def run(self, job: Callable[[], T], units: float) -> JobResult[T]:
        """Run a job on a worker thread.

        Args:
            job: what to run; what it raises is raised here.
            units: expected work, > 0.

        Raises:
            NotReady: the service is draining, or ended before the job's turn came.
            Overloaded: the expected wait is too long.
            DeadlineExceeded: the job did not finish in time.
        """
        self._check(self._max_wait)
        answer: asyncio.Future[JobResult[T]] = asyncio.get_running_loop().create_future()
        admitted = _Admitted(job, units, perf_counter(), answer)
        self._units += units
        self._unfinished += 1
        self._idle.clear()
        self._waiting.append(admitted)
        try:
            self._wake()
            await asyncio.wait({answer}, timeout=self._deadline)
            if answer.done():
                return answer.result()
            raise DeadlineExceeded(
                f"The answer was not there within {self._deadline:g} s. Try again later."
            )
        finally:
            answer.cancel()  # one that is there but not fetched is not complained about either
            with contextlib.suppress(ValueError):  # a worker has it, and will forget it
                self._waiting.remove(admitted)
                self._forget(units)
            del answer, admitted  # as in `_run_one`

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
        while (admitted := self._next()) is not None:
            self._forget(admitted.units)
            admitted.answer.set_exception(
                NotReady("The service shut down before the turn of this request came.")
            )
        for thread in self._threads:
            thread.shutdown(wait=False)
        return finished

    def _wake(self) -> None:
        """Let sleeping workers look for those who wait."""
        for _ in range(min(len(self._asleep), len(self._waiting))):
            # the one that worked last is the fastest: its core's caches hold what it needs
            thread = self._asleep[-1]
            # fails where the system gives no thread; it may still run later
            thread.submit(self._work, thread, asyncio.get_running_loop())
            self._asleep.pop()

    def _work(self, thread: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
        """Run one waiting job after the other, on a worker's thread, until none is left.

        The next job is taken here and not given by the loop, which under load has much else to do
        before it would hear that a worker is free.
        """
        admitted = self._next()
        if admitted is None:
            loop.call_soon_threadsafe(self._sleep, thread)
        while admitted is not None:
            admitted = self._run_one(admitted, thread, loop)

    def _run_one(
        self, admitted: _Admitted[Any], thread: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop
    ) -> _Admitted[Any] | None:
        """Run a job and tell the loop how it ended; the next one, None where nobody waits."""
        begun = perf_counter()
        tell: Callable[[], None]
        try:
            done = JobResult(admitted.job(), begun - admitted.since)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it
            stopped_early = True
            tell = partial(admitted.answer.set_exception, error)
        else:
            stopped_early, tell = False, partial(admitted.answer.set_result, done)
        measured = (perf_counter() - begun) / admitted.units
        following = self._next()
        resting = None if following else thread
        loop.call_soon_threadsafe(self._ended, admitted, tell, measured, stopped_early, resting)
        # an error's traceback holds this frame, and these the error: a cycle that keeps the upload
        del admitted, tell
        return following

    def _next(self) -> _Admitted[Any] | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _ended(
        self,
        admitted: _Admitted[Any],
        tell: Callable[[], None],
        measured: float,
        stopped_early: bool,
        resting: ThreadPoolExecutor | None,
    ) -> None:
        usual = self._seconds_per_unit
        if stopped_early:
            measured = max(measured, usual)  # how soon it stopped says nothing
        self._seconds_per_unit += _LEARNING_RATE * (min(measured, _MOST_LEARNT * usual) - usual)
        self._forget(admitted.units)
        if resting is not None:
            self._sleep(resting)
        if not admitted.answer.done():
            tell()

    def _sleep(self, thread: ThreadPoolExecutor) -> None:
        """A worker found nobody waiting; but someone may have come since."""
        if thread not in self._asleep:  # one that could not be started at first never awoke
            self._asleep.append(thread)
        self._wake()

    def _forget(self, units: float) -> None:
        self._units -= units
        self._unfinished -= 1
        if not self._unfinished:
            self._units = 0.0  # no drift from adding and taking away
            self._idle.set()
