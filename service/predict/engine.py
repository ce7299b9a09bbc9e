"""Work on many things at a time, what it gives in the order of the things."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

# how many items a thread may be ahead of the one whose result is given next
_AHEAD = 8


def in_order(items: Iterable[T], work: Callable[[T], U], threads: int) -> Iterator[U]:
    """What the work gives for one item after the other, while later ones are worked on.

    Threads suffice for all cores: decoder, graph and DICOM processes work without the
    interpreter's lock.
    """
    waiting: deque[Future[U]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            while waiting and (waiting[0].done() or len(waiting) > _AHEAD * threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
