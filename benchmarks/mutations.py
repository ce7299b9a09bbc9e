"""Changes of a file in one place, as broken programs, discs and attackers make them."""

import random
from collections.abc import Callable

Place = Callable[[bytearray, random.Random], int]

_INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
# sizes and offsets just beside what is representable, or absurd
_NUMBERS = (0, 1, 0x7F, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEAD = 600


def anywhere(data: bytearray, rng: random.Random) -> int:
    """Anywhere, half of the time in the head."""
    return rng.randrange(min(len(data), _HEAD) if rng.random() < 0.5 else len(data))


def flip(data: bytearray, rng: random.Random, place: Place) -> None:
    """Flip bits."""
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[place(data, rng)] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: random.Random, place: Place) -> None:
    """Set a few bytes to values that programs stumble over."""
    start = place(data, rng)
    for offset in range(rng.choice((1, 2, 4))):
        data[min(start + offset, len(data) - 1)] = rng.choice(_INTERESTING)


def renumber(data: bytearray, rng: random.Random, place: Place) -> None:
    """Write a number where one may be."""
    size = rng.choice((2, 4))
    number = rng.choice(_NUMBERS) & ((1 << 8 * size) - 1)
    start = place(data, rng)
    data[start : start + size] = number.to_bytes(size, rng.choice(("little", "big")))


def truncate(data: bytearray, rng: random.Random, place: Place) -> None:
    """Cut the end off."""
    del data[place(data, rng) :]


def delete(data: bytearray, rng: random.Random, place: Place) -> None:
    """Leave a piece out."""
    start = place(data, rng)
    del data[start : start + rng.randint(1, 300)]


def splice(data: bytearray, rng: random.Random, place: Place, others: list[bytes]) -> None:
    """Put a piece of another file in."""
    other = rng.choice(others)
    begin = rng.randrange(len(other))
    start = place(data, rng)
    data[start:start] = other[begin : begin + rng.randint(1, 600)]
