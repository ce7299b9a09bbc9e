"""Many images at a time, their answers in the order of the images."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from service.predict.inputs import Job
from service.predict.score import Record

# how many images a thread may be ahead of the one whose answer is written next
_AHEAD = 8


def score_all(
    jobs: Iterable[Job], score: Callable[[Job], Record], threads: int
) -> Iterator[Record]:
    """The answers, one after the other, while later ones are computed.

    Threads suffice for all cores: decoder, graph and DICOM processes work without the
    interpreter's lock.
    """
    waiting: deque[Future[Record]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for job in jobs:
            waiting.append(pool.submit(score, job))
            while waiting and (waiting[0].done() or len(waiting) > _AHEAD * threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
