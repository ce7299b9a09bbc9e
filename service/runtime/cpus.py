"""How many cores there really are, how many threads keep them at work, and which come first."""

import contextlib
import os
import sys
import threading

from service.runtime.cgroups import cpu_quota

# nice(1) steps; each leaves a thread about four fifths of its share against the others
_NICER = 10


def usable_cores() -> int:
    """How many cores this process may really use, at least 1.

    ``os.cpu_count`` and ONNX Runtime's own default see the whole machine; affinity and the
    container's CPU quota are what it is given. A quota of 1.5 cores counts as one: two busy threads
    would be throttled in turn.
    """
    cores, quota = _cores(), cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))


def busy_threads() -> int:
    """How many threads of work keep the usable cores busy, at least 1.

    Several threads wait for the interpreter's lock now and then, with their cores idle unless one
    more is there to go on. A single core has the lock's holder to run meanwhile; and under a quota
    one more thread would be throttled with the rest.
    """
    usable = usable_cores()
    return usable + 1 if usable == _cores() > 1 else usable


def lower_thread_priority() -> None:
    """Leave the core to other threads that want it, nearly; only Linux can do so for one thread.

    In a flood the event loop has much to refuse and to answer, and shall not queue for a core with
    the threads that work (`make overload`: how long a probe waits).
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):  # a sandbox may forbid it; the work is done all the same
            own = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, own + _NICER)


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1
