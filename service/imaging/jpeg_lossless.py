"""JPEG lossless (ITU-T T.81 process 14, annex H), the usual compression of archived radiographs.

Written here because no permissive decoder that Python can install survives hostile bytes
(docs/decisions/dicom.md). Array code cannot write outside its arrays, and it stays near the speed
of C: the Huffman code is looked up at every bit position at once, so that finding the codes is
only following a chain of jumps, sixteen at a time, and predictors are cumulative sums.
"""

import re
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import UndecodableImage
from service.imaging.codestream import Codestream, segments

_TABLES = 0xC4
_RESTART_INTERVAL = 0xDD
_START_OF_SCAN = 0xDA
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")

_WINDOW_BITS = 16  # the longest Huffman code
_WHOLE_RANGE = 16  # the difference category that stands for 32768 and has no further bits
_LONGEST_STEP = 31
_DOUBLINGS = 4
_BLOCK = 1 << 13  # bytes that are looked up at once: small enough for the cache

_Table = tuple[bytes, bytes]


@dataclass(frozen=True)
class _Scan:
    """One scan's parameters and its entropy-coded bytes."""

    table: _Table
    interval: int
    predictor: int
    shift: int
    data: bytes


@dataclass(frozen=True)
class _Lookup:
    """What the next 16 bits mean, for all their values: uint8 ``[65536]`` each.

    Attributes:
        length: bits of the Huffman code, 0 where it is none.
        category: bits that give the difference behind it, 0..16.
        step: bits from this code to the next, 0 where there is no code.
    """

    length: NDArray[np.uint8]
    category: NDArray[np.uint8]
    step: NDArray[np.uint8]


def decode(stream: Codestream) -> NDArray[np.uint16]:
    """Decode a picture of one component.

    Returns:
        uint16 ``[rows, columns]``, ``stream.bits`` of them significant.

    Raises:
        UndecodableImage: truncated or corrupt.
    """
    try:
        scan = _scan(stream)
    except (struct.error, IndexError, KeyError) as error:
        raise _corrupt() from error
    lookup = _lookup(*scan.table)
    parts = _RESTART.split(scan.data) if scan.interval else [scan.data]
    height = scan.interval // stream.columns or stream.rows
    if len(parts) != -(-stream.rows // height):
        raise _corrupt()
    samples = np.zeros((len(parts), height, stream.columns), np.uint16)
    picture = samples.reshape(-1, stream.columns)[: stream.rows]
    for number, part in enumerate(parts):
        rows = picture[number * height : (number + 1) * height]
        bare = part.replace(b"\xff\x00", b"\xff")
        rows[:] = _differences(bare, rows.size, lookup).reshape(rows.shape)
    samples[:, 0, 0] += np.uint16(1 << (stream.bits - scan.shift - 1))
    _undo_prediction(samples, scan.predictor)
    return np.left_shift(picture, scan.shift, out=picture)


def _corrupt() -> UndecodableImage:
    return UndecodableImage(
        "The losslessly compressed picture is truncated or corrupt. Send the original file."
    )


def _scan(stream: Codestream) -> _Scan:
    """The header segments of the one scan; anything that annex H does not allow is refused."""
    tables: dict[int, _Table] = {}
    interval = 0
    for marker, payload, end in segments(stream.data):
        if marker == _TABLES:
            tables |= _huffman_tables(payload)
        elif marker == _RESTART_INTERVAL:
            (interval,) = struct.unpack_from(">H", payload)
        elif marker == _START_OF_SCAN:
            components, _, table, predictor, _, shift = struct.unpack_from(">6B", payload)
            shift &= 15
            whole_rows = interval % stream.columns == 0
            if components != 1 or not 1 <= predictor <= 7 or not whole_rows:
                raise _corrupt()
            if not 2 <= stream.bits <= 16 or shift >= stream.bits:
                raise _corrupt()
            return _Scan(tables[table >> 4], interval, predictor, shift, stream.data[end:])
    raise _corrupt()


def _huffman_tables(payload: bytes) -> dict[int, _Table]:
    """Table number -> how many codes there are of each length, and their categories."""
    tables = {}
    position = 0
    while position < len(payload):
        counts = payload[position + 1 : position + 17]
        end = position + 17 + sum(counts)
        tables[payload[position]] = (counts, payload[position + 17 : end])
        position = end
    return tables


def _lookup(counts: bytes, categories: bytes) -> _Lookup:
    """Expand a table to all values of a window (T.81 annex C: codes count up, length by length)."""
    size = 1 << _WINDOW_BITS
    lookup = _Lookup(*(np.zeros(size, np.uint8) for _ in range(3)))
    begin = 0
    remaining = iter(categories)
    for bits, count in enumerate(counts, start=1):
        for _ in range(count):
            category = next(remaining, _WHOLE_RANGE + 1)
            end = begin + (size >> bits)
            if category > _WHOLE_RANGE or end > size:
                raise _corrupt()
            lookup.length[begin:end] = bits
            lookup.category[begin:end] = category
            lookup.step[begin:end] = bits + category % _WHOLE_RANGE
            begin = end
    return lookup


def _differences(data: bytes, count: int, lookup: _Lookup) -> NDArray[np.uint16]:
    """Decode the Huffman-coded differences (T.81 annex H.1.2.2), modulo 65536, uint16 ``[count]``.

    Block by block: the window of 16 bits at each bit position, where its code leads, and the
    chain of codes that really are there.
    """
    found = np.empty(count, np.uint16)
    done = 0
    first = 0  # bit at which the next code begins, within its block
    padded = np.frombuffer(data + bytes(8), np.uint8)
    for start in range(0, len(data), _BLOCK):
        stop = min(start + _BLOCK, len(data))
        block = padded[start : stop + 8].astype(np.int32)
        three = (block[:-2] << 16 | block[1:-1] << 8 | block[2:])[: stop - start]
        by_bit = np.empty((stop - start, 8), np.uint16)
        for bit in range(8):
            by_bit[:, bit] = three >> (8 - bit)
        windows = by_bit.ravel()
        jump = np.arange(windows.size + _LONGEST_STEP + 1)
        jump[: windows.size] += lookup.step[windows]
        places, after = _follow(jump, first)
        places = places[: count - done]
        found[done : done + places.size] = _values(places, windows[places], block, lookup)
        done += places.size
        if done == count:
            return found
        first = after - windows.size
        if first < 0:
            break
    raise _corrupt()


def _follow(jump: NDArray[np.intp], place: int) -> tuple[NDArray[np.intp], int]:
    """Follow jumps, all forward, from ``place`` on until one leads to itself.

    Only every sixteenth place is visited one by one; those between come from doubled jumps.

    Returns:
        the places that lead on, ``[n]``, and the last one, which leads to itself.
    """
    jumps = [jump]
    for _ in range(_DOUBLINGS):
        jumps.append(np.take(jumps[-1], jumps[-1], mode="clip"))
    far = jumps.pop().data
    chain = []
    while (ahead := far[place]) != place:
        chain.append(place)
        place = ahead
    places = np.array(chain, np.intp)
    for half in reversed(jumps):
        places = np.stack((places, np.take(half, places, mode="clip")), axis=1).ravel()
    return places[: np.searchsorted(places, place)], place


def _values(
    places: NDArray[np.intp],
    windows: NDArray[np.uint16],
    block: NDArray[np.int32],
    lookup: _Lookup,
) -> NDArray[np.uint16]:
    """The differences whose codes begin at the bit positions ``places`` of a block of bytes."""
    category = lookup.category[windows].astype(np.int32)
    behind = places.astype(np.int32) + lookup.length[windows]
    byte = behind >> 3
    three = block[byte] << 16 | block[byte + 1] << 8 | block[byte + 2]
    bits = category % _WHOLE_RANGE
    extra = three >> (24 - (behind & 7) - bits) & ((1 << bits) - 1)
    negative = extra < (1 << bits) >> 1
    values: NDArray[np.int32] = np.where(negative, extra - (1 << bits) + 1, extra)
    values[category == _WHOLE_RANGE] = 1 << 15
    return values.astype(np.uint16)


def _undo_prediction(parts: NDArray[np.uint16], predictor: int) -> None:
    """Turn differences into samples, modulo 65536 (T.81 table H.1 and section H.1.2.1).

    Args:
        parts: uint16 ``[parts, rows, columns]``, changed in place; a part is what a restart begins.
        predictor: 1 left, 2 above, 3 above left, 4 to 7 combinations of them.
    """
    count, height, width = parts.shape
    np.cumsum(parts[:, 0], axis=1, dtype=np.uint16, out=parts[:, 0])
    if predictor == 2:
        np.cumsum(parts, axis=1, dtype=np.uint16, out=parts)
        return
    np.cumsum(parts[:, :, 0], axis=1, dtype=np.uint16, out=parts[:, :, 0])
    if predictor == 1:
        np.cumsum(parts[:, 1:], axis=2, dtype=np.uint16, out=parts[:, 1:])
        return
    # samples on one falling diagonal depend only on the two before it
    flat = parts.reshape(count, -1)
    for diagonal in range(2, height + width - 1):
        top = max(1, diagonal - width + 1)
        bottom = min(height - 1, diagonal - 1)
        if top > bottom:
            continue
        begin = top * width + diagonal - top
        end = bottom * width + diagonal - bottom + 1
        here, left, above, corner = (
            flat[:, begin - back : end - back : width - 1] for back in (0, 1, width, width + 1)
        )
        here += _predicted(predictor, *(near.astype(np.int32) for near in (left, above, corner)))


def _predicted(
    predictor: int, left: NDArray[np.int32], above: NDArray[np.int32], corner: NDArray[np.int32]
) -> NDArray[np.uint16]:
    match predictor:
        case 3:
            value = corner
        case 4:
            value = left + above - corner
        case 5:
            value = left + (above - corner >> 1)
        case 6:
            value = above + (left - corner >> 1)
        case _:
            value = left + above >> 1
    return value.astype(np.uint16)
