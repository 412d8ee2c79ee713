"""What a MATLAB file may cost, judged before it is loaded: 3 MB can hold 4 GB of zeros, or arrays that say they do.

A version 5 file is a header and elements: a kind and a length, then so many bytes. Kind 14 is an array, whose elements
are flags, dimensions, a name, and numbers or further arrays; kind 15 is another element, deflated. The elements are
inflated here, under a limit, and handed on as a file without compression: what was looked at is what is loaded.
"""

from __future__ import annotations

import math
import struct
import zlib

MAX_BYTES = 128 << 20
"""Of a file, inflated. The largest annotations of this field have some 10 MB."""
MAX_ARRAYS = 500_000
"""Cells and fields count one each, and take up to 300 bytes where they are empty."""
MAX_DEPTH = 32

_ARRAY, _DEFLATED = 14, 15
_SPARSE = 5
_HEADER = 128


def inflated(content: bytes) -> bytes:
    """A version 5 file without compression, whose arrays are no larger than their bytes. Raises ValueError."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER])
    if order is None or 0 in content[:4]:
        raise ValueError("no header of version 5; load it in MATLAB or Octave and save it with -v7")
    parts, left, position = [content[:_HEADER]], MAX_BYTES, _HEADER
    while position + 8 <= len(content):
        kind, length = struct.unpack_from(order + "II", content, position)
        end = position + 8 + length
        if end > len(content):
            raise ValueError("it ends early")
        element = content[position:end]
        parts.append(_inflated_element(element[8:], left) if kind == _DEFLATED else element)
        left -= len(parts[-1])
        if left < 0:
            raise ValueError(f"more than {MAX_BYTES >> 20} MiB of arrays")
        position = end
    arrays = MAX_ARRAYS
    for element in parts[1:]:
        arrays = _check_arrays(element, order, arrays)
    return b"".join(parts)


def _inflated_element(packed: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    element = unpacker.decompress(packed, most + 1)
    if not unpacker.eof and len(element) <= most:
        raise ValueError("it ends early")
    return element


def _check_arrays(content: bytes, order: str, arrays: int) -> int:
    """Look at an element and all arrays within it; how many of `arrays` are left. Raises ValueError."""
    waiting = [(0, len(content), 0)]
    while waiting:
        position, stop, depth = waiting.pop()
        number, sparse = 0, False
        while position + 8 <= stop:
            kind, start, length, after = _element(content, order, position)
            if start + length > stop:
                raise ValueError("an array ends early")
            if depth and number == 0 and length:
                sparse = content[start + (0 if order == "<" else 3)] == _SPARSE
            if depth and number == 1 and not sparse and _count(content, order, start, length) > stop - position:
                raise ValueError("an array says that it is larger than its bytes")
            if kind == _ARRAY:
                arrays -= 1
                if arrays < 0 or depth == MAX_DEPTH:
                    raise ValueError(f"more than {MAX_ARRAYS:,} arrays, or more than {MAX_DEPTH} in each other")
                waiting.append((start, start + length, depth + 1))
            position, number = after, number + 1
    return arrays


def _element(content: bytes, order: str, position: int) -> tuple[int, int, int, int]:
    """Kind of an element, where its bytes begin, how many they are, and where the next one begins."""
    kind, length = struct.unpack_from(order + "II", content, position)
    if kind >> 16:  # up to four bytes lie in the tag itself
        return kind & 0xFFFF, position + 4, min(kind >> 16, 4), position + 8
    return kind, position + 8, length, position + 8 + -(-length // 8) * 8


def _count(content: bytes, order: str, start: int, length: int) -> int:
    sides = struct.unpack_from(f"{order}{length // 4}i", content, start)
    return math.prod(max(0, side) for side in sides)
