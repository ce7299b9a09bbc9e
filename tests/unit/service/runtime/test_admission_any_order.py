"""Admission through arrivals, ends, failures, departures and shutdown in any order."""

import asyncio
import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.errors import NotReady, Overloaded
from service.runtime.admission import Admission, JobResult

WORKERS = 2
MOST_UNITS = 12.0


@dataclass(eq=False)
class Arrival:
    """One call of ``run`` and what became of it."""

    task: "asyncio.Task[JobResult[int]]"
    number: int
    units: float
    fails: bool
    left: bool = False
    began: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)


class AdmissionMachine(RuleBasedStateMachine):
    """A model of admission: a queue in order of arrival and two workers."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.open = True
        self.count = 0
        self.running: list[Arrival] = []
        self.waiting: list[Arrival] = []
        self.answered: list[Arrival] = []
        self.admission = self.loop.run_until_complete(self.make())

    async def make(self) -> Admission:
        return Admission(WORKERS, max_wait=MOST_UNITS / WORKERS, deadline=600, seconds_per_unit=1)

    @rule(units=st.sampled_from([0.5, 1.0, 4.0]), fails=st.booleans())
    def arrive(self, units: float, fails: bool) -> None:
        """A call comes: it runs, waits or is refused, as the model says."""
        self.count += 1
        arrival = Arrival(self.loop.create_task(self.call(units)), self.count, units, fails)
        self.newest = arrival
        busy = len(self.running) == WORKERS
        # the learnt time of a unit is not modelled; what it says is taken as it is
        refused = self.admission.expected_wait() > MOST_UNITS / WORKERS
        if self.open and not refused:
            (self.waiting if busy else self.running).append(arrival)
        self.settle()
        if not self.open:
            self.expect(arrival, NotReady)
        elif refused:
            assert busy
            self.expect(arrival, Overloaded)

    async def call(self, units: float) -> JobResult[int]:
        arrival = self.newest

        def job() -> int:
            arrival.began.set()
            arrival.may_end.wait(10)
            if arrival.fails:
                raise ValueError("as asked")
            return arrival.number

        return await self.admission.run(job, units)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """A job ends, well or not; whoever is first in the queue gets its worker."""
        arrival = data.draw(st.sampled_from(self.running))
        assert arrival.began.wait(10)
        self.finish(arrival)

    @precondition(lambda self: any(not one.left for one in self.running + self.waiting))
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """A caller leaves; one that waits is forgotten, one that runs keeps its worker."""
        here = [one for one in self.running + self.waiting if not one.left]
        arrival = data.draw(st.sampled_from(here))
        arrival.left = True
        arrival.task.cancel()
        if arrival in self.waiting:
            self.waiting.remove(arrival)
        self.settle()
        assert arrival.task.cancelled()

    @precondition(lambda self: self.open and self.count > 5)
    @rule()
    def shut_down(self) -> None:
        """The end comes without patience: those who wait are told, those who run go on."""
        idle = not self.running
        assert self.loop.run_until_complete(self.admission.close(0)) is idle
        self.open = False
        told, self.waiting = self.waiting, []
        self.settle()
        for arrival in told:
            self.expect(arrival, NotReady)

    @invariant()
    def counts_agree(self) -> None:
        """The public counts are those of the model."""
        assert self.admission.queued == len(self.waiting)
        assert self.admission.running == len(self.running)
        assert (self.admission.expected_wait() > 0) == (len(self.running) == WORKERS)
        for arrival in self.waiting:
            assert not arrival.began.is_set()

    def expect(self, arrival: Arrival, error: type[Exception] | None) -> None:
        """The call has its one answer."""
        self.answered.append(arrival)
        assert arrival.task.done()
        if error is None:
            assert arrival.task.result().value == arrival.number
        else:
            with pytest.raises(error):
                arrival.task.result()

    def finish(self, arrival: Arrival) -> None:
        """A running job ends, and the next one in the queue begins."""
        arrival.may_end.set()
        self.running.remove(arrival)
        if self.waiting:
            self.running.append(self.waiting.pop(0))
        self.settle()
        if not arrival.left:
            self.expect(arrival, ValueError if arrival.fails else None)

    def settle(self) -> None:
        """Let threads and event loop go on until nothing more happens."""

        async def wait() -> None:
            await _turns(10)
            while (self.admission.queued, self.admission.running) != (
                len(self.waiting),
                len(self.running),
            ):
                await asyncio.sleep(0.0005)
            await _turns(10)

        self.loop.run_until_complete(asyncio.wait_for(wait(), 3))

    def teardown(self) -> None:
        """Everything ends, and everybody was answered once."""
        while self.running:
            self.finish(self.running[0])
        assert self.loop.run_until_complete(self.admission.close(5)) is True
        assert self.admission.expected_wait() == 0
        self.loop.close()


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


TestAdmissionInAnyOrder = AdmissionMachine.TestCase
TestAdmissionInAnyOrder.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
