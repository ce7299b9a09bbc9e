"""How long to wait before another attempt."""

import random

from service.pacs.settings import PacsSettings


def wait_before(attempt: int, settings: PacsSettings) -> float:
    """Seconds before an attempt: doubling, bounded, and spread so that not all come at once.

    Args:
        attempt: how many there have been, >= 1.
        settings: of the node.

    Returns:
        Between half of the time and all of it.
    """
    longest = settings.retry_max_seconds
    full = min(longest, settings.retry_seconds * 2.0 ** min(attempt - 1, 30))
    return random.uniform(full / 2, full)
