"""What can go wrong between the node and its peers; which of the two decides what happens next."""

from service.errors import PneumoniaError


class Unavailable(PneumoniaError):
    """A peer cannot be reached, is busy, or is not set up: the image waits, however long.

    Attributes:
        retry_after: seconds that the peer asked for; None where it named none.
    """

    code = "unavailable"

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Failed(PneumoniaError):
    """Something went wrong with this one image: it is tried again, but not for ever."""

    code = "failed"


class NotUnderstood(PneumoniaError):
    """What was received is not a data set of an image that it says it is."""

    code = "not_understood"


class DiskFull(PneumoniaError):
    """There is no room to keep another image."""

    code = "disk_full"
