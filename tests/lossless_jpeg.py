"""An encoder of lossless JPEG (ITU-T T.81 annex H), slow and plain, to test the decoder by."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# one Huffman code of each length from 2 on, for the 17 categories in order; the last is 16 bits
_LENGTHS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 16]


def encode_lossless(
    samples: NDArray[np.integer[Any]],
    bits: int,
    predictor: int = 1,
    shift: int = 0,
    rows_a_restart: int = 0,
) -> bytes:
    """A codestream of ``samples``, whose lowest ``shift`` bits are lost."""
    rows, columns = samples.shape
    counts = bytes(_LENGTHS.count(length) for length in range(1, 17))
    header = b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"something else"),
            b"\xff",  # a fill byte
            _segment(0xC4, b"\x00" + counts + bytes(range(len(_LENGTHS)))),
            _segment(0xC3, struct.pack(">BHHBBBB", bits, rows, columns, 1, 1, 0x11, 0)),
            _segment(0xDD, struct.pack(">H", rows_a_restart * columns)) if rows_a_restart else b"",
            _segment(0xDA, bytes([1, 1, 0, predictor, 0, shift])),
        )
    )
    height = rows_a_restart or rows
    parts = [
        _entropy(samples[top : top + height] >> shift, bits - shift, predictor)
        for top in range(0, rows, height)
    ]
    body = parts[0] + b"".join(
        b"\xff" + bytes([0xD0 + number % 8]) + part for number, part in enumerate(parts[1:])
    )
    return header + body + b"\xff\xd9"


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _entropy(part: NDArray[np.integer[Any]], bits: int, predictor: int) -> bytes:
    text = "".join(_bits(part.astype(int).tolist(), bits, predictor))
    text += "1" * (-len(text) % 8)
    data = bytes(int(text[place : place + 8], 2) for place in range(0, len(text), 8))
    return data.replace(b"\xff", b"\xff\x00")


def _bits(rows: list[list[int]], bits: int, predictor: int) -> Iterator[str]:
    codes = list(_codes())
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            left = row[x - 1]
            above = rows[y - 1][x]
            corner = rows[y - 1][x - 1]
            if x == y == 0:
                predicted = 1 << (bits - 1)
            elif y == 0:
                predicted = left
            elif x == 0:
                predicted = above
            else:
                predicted = [
                    left,
                    above,
                    corner,
                    left + above - corner,
                    left + ((above - corner) >> 1),
                    above + ((left - corner) >> 1),
                    (left + above) >> 1,
                ][predictor - 1]
            difference = (value - predicted + 32767) % 65536 - 32767
            category = abs(difference).bit_length()
            if difference == 32768:
                yield codes[16]
                continue
            extra = difference if difference > 0 else difference + (1 << category) - 1
            yield codes[category] + (f"{extra:0{category}b}" if category else "")


def _codes() -> Iterator[str]:
    code = 0
    length = _LENGTHS[0]
    for this in _LENGTHS:
        code <<= this - length
        length = this
        yield f"{code:0{length}b}"
        code += 1
