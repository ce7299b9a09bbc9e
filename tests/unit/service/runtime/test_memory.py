"""How many workers a memory limit has room for."""

from typing import Any

import pytest

from service.runtime.memory import has_no_room, most_workers
from service.settings import Settings

COMPOSE: dict[str, Any] = {"max_upload_memory": 256 * 2**20}  # as docker-compose.yml sets it


@pytest.mark.parametrize(
    ("limit", "wanted", "settings", "workers"),
    [
        (None, 17, {}, 17),
        (1536 * 2**20, 17, COMPOSE, 3),
        (1536 * 2**20, 2, COMPOSE, 2),
        (1536 * 2**20, 17, COMPOSE | {"max_pixels": 16_000_000}, 13),
        (8 * 2**30, 17, COMPOSE, 17),
        (512 * 2**20, 17, COMPOSE, 1),
    ],
)
def test_as_many_as_there_is_memory_for(
    limit: int | None, wanted: int, settings: dict[str, Any], workers: int
) -> None:
    assert most_workers(Settings(workers=wanted, **settings), limit) == workers


def test_room_for_not_even_one() -> None:
    assert has_no_room(Settings(**COMPOSE), 512 * 2**20)
    assert not has_no_room(Settings(**COMPOSE), 1536 * 2**20)
