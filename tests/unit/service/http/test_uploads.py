"""Bytes held for all requests together."""

import pytest

from service.errors import Overloaded
from service.http.uploads import UploadMemory


def test_what_is_held_is_given_back() -> None:
    memory = UploadMemory(100)
    with memory.hold() as first, memory.hold() as second:
        first.take(60)
        second.take(40)
        with pytest.raises(Overloaded) as full:
            second.take(1)
        assert full.value.retry_after == 1
        assert (first.taken, second.taken) == (60, 40)
    with memory.hold() as third:
        third.take(100)


def test_what_a_failed_request_held_is_given_back() -> None:
    memory = UploadMemory(100)
    for _ in range(3):
        with pytest.raises(ValueError, match="broke off"), memory.hold() as hold:
            hold.take(100)
            raise ValueError("broke off")
