"""How long tests wait for what another process or thread will do: too long to be met by chance."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 120
# what takes a minute on a quiet machine: the start of Ray or of TensorFlow, hundreds of images
LONG_PATIENCE_SECONDS = 5 * PATIENCE_SECONDS


def wait_until(
    holds: Callable[[], object],
    what: str,
    pause: Callable[[float], None] = time.sleep,
    seconds: float = PATIENCE_SECONDS,
) -> None:
    """Ask again and again whether something holds.

    Args:
        holds: asks; anything true ends the waiting.
        what: does not hold, for the message of the failure.
        pause: waits for so many seconds.
        seconds: to wait at most.
    """
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"after {seconds} s still not: {what}"
        pause(0.01)
