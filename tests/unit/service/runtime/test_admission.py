"""Bounded admission: who runs, who waits, who is shed, and that nobody is forgotten."""

import asyncio
import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.errors import DeadlineExceeded, NotAChestXray, NotReady, Overloaded
from service.http.disconnect import cancel_on_disconnect
from service.runtime.admission import Admission, JobResult


@dataclass
class Job:
    """Work that ends when the test says so."""

    value: object = "done"
    began: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> object:
        self.began.set()
        assert self.may_end.wait(10)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@asynccontextmanager
async def admission(**options: Any) -> AsyncIterator[Admission]:
    made = Admission(**{"workers": 1, "max_wait": 100.0, "deadline": 100.0, **options})
    try:
        yield made
    finally:
        await made.close(10)


async def start(made: Admission, job: Callable[[], object]) -> "asyncio.Task[JobResult[object]]":
    """Submit a job."""
    task = asyncio.create_task(made.run(job, 1.0))
    await settle()
    return task


async def begin(made: Admission, job: Job) -> "asyncio.Task[JobResult[object]]":
    """Submit a job and wait until a worker has it."""
    task = await start(made, job)
    while not job.began.is_set():
        await asyncio.sleep(0.001)
    return task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def expected(made: Admission) -> float:
    """How long one would wait behind a job of one unit."""
    job = Job()
    task = await start(made, job)
    wait = made.expected_wait()
    await end(job, task)
    return wait


async def end(job: Job, task: "asyncio.Task[JobResult[object]]") -> object:
    job.may_end.set()
    return (await asyncio.wait_for(task, 10)).value


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def wrapper() -> None:
        asyncio.run(asyncio.wait_for(test(), 30))

    wrapper.__name__ = test.__name__
    return wrapper


@run
async def test_runs_as_many_as_there_are_workers_and_queues_the_rest() -> None:
    async with admission(workers=2) as made:
        jobs = [Job(number) for number in range(3)]
        tasks = [await begin(made, job) for job in jobs[:2]]
        tasks.append(await start(made, jobs[2]))
        assert (made.running, made.queued) == (2, 1)
        assert not jobs[2].began.is_set()
        assert await end(jobs[0], tasks[0]) == 0
        await asyncio.to_thread(jobs[2].began.wait, 10)
        assert (made.running, made.queued) == (2, 0)
        assert await end(jobs[1], tasks[1]) == 1
        assert await end(jobs[2], tasks[2]) == 2
        await settle()
        assert (made.running, made.queued) == (0, 0)


@run
async def test_first_come_first_served() -> None:
    order: list[int] = []
    async with admission() as made:
        first = Job()
        tasks = [await begin(made, first)]
        for number in range(5):

            def note(number: int = number) -> None:
                order.append(number)

            tasks.append(await start(made, note))
        first.may_end.set()
        await asyncio.gather(*tasks)
    assert order == list(range(5))


@run
async def test_says_how_long_a_job_waited() -> None:
    async with admission() as made:
        first = Job()
        running = await begin(made, first)
        waiting = await start(made, lambda: None)
        await asyncio.sleep(0.05)
        first.may_end.set()
        assert (await running).queue_seconds < (await waiting).queue_seconds
        assert (await waiting).queue_seconds >= 0.05


@run
async def test_what_a_job_raises_reaches_its_caller_and_frees_the_worker() -> None:
    async with admission() as made:
        with pytest.raises(ZeroDivisionError):
            await made.run(lambda: 1 // 0, 1.0)
        assert (await made.run(lambda: "next", 1.0)).value == "next"


@run
async def test_sheds_when_the_expected_wait_is_too_long() -> None:
    async with admission(max_wait=2.5, seconds_per_unit=1.0) as made:
        first = Job()
        tasks = [await begin(made, first)]
        tasks += [await start(made, lambda: None) for _ in range(2)]
        # one runs and two wait, each a unit of a second
        assert made.expected_wait() == pytest.approx(3.0)
        with pytest.raises(Overloaded) as shed:
            await made.run(lambda: None, 1.0)
        assert shed.value.retry_after == 3
        with pytest.raises(Overloaded):
            made.check()
        first.may_end.set()
        await asyncio.gather(*tasks)
        assert made.expected_wait() == 0
        made.check()


@run
async def test_those_who_still_send_are_refused_sooner_than_those_who_are_here() -> None:
    async with admission(max_wait=3.2, seconds_per_unit=1.0) as made:
        first = Job()
        tasks = [await begin(made, first), await start(made, lambda: None)]
        made.check()
        tasks.append(await start(made, lambda: None))
        with pytest.raises(Overloaded):
            made.check()
        tasks.append(await start(made, lambda: None))
        first.may_end.set()
        await asyncio.gather(*tasks)


@run
async def test_big_work_counts_for_more() -> None:
    async with admission(max_wait=2.5, seconds_per_unit=1.0) as made:
        first = Job()
        big = asyncio.create_task(made.run(first, 50.0))
        await settle()
        with pytest.raises(Overloaded):
            await made.run(lambda: None, 0.1)
        await end(first, big)


@run
async def test_learns_how_long_a_unit_takes_from_jobs_that_ended_well() -> None:
    async with admission(seconds_per_unit=1.0) as made:
        for _ in range(100):
            with pytest.raises(ZeroDivisionError):
                await made.run(lambda: 1 // 0, 1.0)
        assert await expected(made) == pytest.approx(1.0)
        for _ in range(100):
            await made.run(lambda: None, 1.0)
        assert await expected(made) < 0.1


@run
async def test_learns_from_failures_that_took_longer_than_expected() -> None:
    async with admission(seconds_per_unit=1e-4) as made:

        def fail() -> None:
            time.sleep(0.005)
            raise ZeroDivisionError

        for _ in range(100):
            with pytest.raises(ZeroDivisionError):
                await made.run(fail, 1.0)
        assert await expected(made) > 0.001


@run
async def test_one_job_that_took_for_ever_teaches_little() -> None:
    async with admission(seconds_per_unit=1e-3) as made:
        await made.run(lambda: time.sleep(0.2), 1.0)
        assert await expected(made) < 0.002


@run
async def test_one_that_is_cancelled_while_waiting_leaves_the_queue() -> None:
    async with admission(max_wait=1.5, seconds_per_unit=1.0) as made:
        first, third = Job(), Job()
        running = await begin(made, first)
        waiting = await start(made, Job())
        with pytest.raises(Overloaded):
            made.check()
        waiting.cancel()
        await settle()
        assert waiting.cancelled()
        assert made.queued == 0
        last = await start(made, third)
        await end(first, running)
        await end(third, last)


@run
async def test_neighbours_of_a_cancelled_one_are_unharmed() -> None:
    async with admission() as made:
        first = Job()
        running = await begin(made, first)
        waiting = [await start(made, lambda: "done") for _ in range(3)]
        waiting[1].cancel()
        await end(first, running)
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [getattr(one, "value", None) for one in done] == ["done", None, "done"]


@run
async def test_one_that_is_cancelled_when_its_turn_comes_harms_nobody() -> None:
    async with admission() as made:
        first = Job()
        running = await begin(made, first)
        leaving = await start(made, lambda: "left")
        staying = await start(made, lambda: "stayed")
        first.may_end.set()
        while made.queued == 2:
            await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert (await running).value == "done"
        assert (await staying).value == "stayed"


@run
async def test_one_that_is_cancelled_when_its_answer_comes_harms_nobody() -> None:
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    async with admission() as made:
        first = Job(ValueError("nobody reads this"))
        leaving = await begin(made, first)
        staying = await start(made, lambda: "stayed")
        first.may_end.set()
        while made.queued:
            await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert (await staying).value == "stayed"
    del first, leaving
    gc.collect()
    assert complaints == []


@run
async def test_one_that_is_cancelled_while_running_keeps_its_worker_until_the_end() -> None:
    async with admission() as made:
        first = Job()
        running = await begin(made, first)
        waiting = await start(made, lambda: "next")
        running.cancel()
        await settle()
        assert running.cancelled()
        assert (made.running, made.queued) == (1, 1)
        first.may_end.set()
        assert (await waiting).value == "next"


@run
async def test_deadline_while_waiting() -> None:
    async with admission(deadline=0.05) as made:
        first = Job()
        running = await begin(made, first)
        with pytest.raises(DeadlineExceeded):
            await made.run(lambda: None, 1.0)
        assert made.queued == 0
        with pytest.raises(DeadlineExceeded):
            await running
        first.may_end.set()


@run
async def test_deadline_while_running_keeps_the_worker_taken() -> None:
    async with admission(deadline=0.5) as made:
        first = Job()
        running = await begin(made, first)
        with pytest.raises(DeadlineExceeded):
            await running
        assert made.running == 1
        assert made.expected_wait() > 0
        first.may_end.set()
        while made.running:
            await asyncio.sleep(0.001)
        assert made.expected_wait() == 0
        assert (await made.run(lambda: "next", 1.0)).value == "next"


@run
async def test_a_failure_after_the_caller_left_is_nobodys() -> None:
    async with admission(deadline=0.5) as made:
        first = Job(ValueError("late"))
        running = await begin(made, first)
        with pytest.raises(DeadlineExceeded):
            await running
        first.may_end.set()
        while made.running:
            await asyncio.sleep(0.001)


@run
async def test_what_a_failed_job_held_is_given_back_at_once() -> None:
    class Upload:
        """Something that can be watched."""

    async def asked(made: Admission) -> "weakref.ref[Upload]":
        upload = Upload()
        watched = weakref.ref(upload)

        def refuse() -> None:
            raise NotAChestXray(f"Not {upload}.")

        async def never() -> Any:
            await asyncio.Event().wait()

        with suppress(NotAChestXray):
            await cancel_on_disconnect(never, made.run(refuse, 1.0))
        return watched

    gc.disable()  # a cycle would keep the upload until somebody looks for cycles
    try:
        async with admission() as made:
            watched = await asked(made)
            await settle()
            await made.run(lambda: None, 1.0)  # the worker has forgotten it, too
            assert watched() is None
    finally:
        gc.enable()


@run
async def test_close_lets_admitted_work_finish_and_admits_no_more() -> None:
    async with admission() as made:
        first = Job()
        running = await begin(made, first)
        waiting = await start(made, lambda: "waited")
        closing = asyncio.create_task(made.close(10))
        await settle()
        with pytest.raises(NotReady):
            await made.run(lambda: None, 1.0)
        await end(first, running)
        assert (await waiting).value == "waited"
        assert await closing is True


@run
async def test_close_without_patience_answers_those_who_wait() -> None:
    made = Admission(1, 100, 100)
    first = Job()
    running = await begin(made, first)
    waiting = await start(made, lambda: None)
    assert await made.close(0) is False
    with pytest.raises(NotReady):
        await waiting
    assert await end(first, running) == "done"


@run
async def test_close_of_the_idle_needs_no_patience() -> None:
    made = Admission(2, 100, 100)
    assert await made.close(0) is True
    assert await made.close(0) is True


def test_one_whose_worker_cannot_be_started_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scene() -> None:
        async with admission(workers=1) as made:
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", refuse)
                with pytest.raises(RuntimeError, match="new thread"):
                    await made.run(lambda: None, 1)
            assert (made.queued, made.running) == (0, 0)
            assert (await made.run(lambda: "done", 1)).value == "done"

    run(scene)()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux")
@run
async def test_work_gives_way_to_the_event_loop() -> None:
    async with admission() as made:
        done = await made.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), 1)
    assert done.value > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
