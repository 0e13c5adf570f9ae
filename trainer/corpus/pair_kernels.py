"""The compiled inner loops of phrases: counting pairs of neighbours, and joining them.

Both walk over a piece of text: ``ids`` (-1: outside the vocabulary) and ``first`` (1 where a line begins). ``connector``
numbers the words that may stand inside a phrase from 1; 0 is any other id. A pair is a 64-bit key: both ids in 28 bits each
and up to two connectors between them in 4 bits each. A table is ``keys`` [S] and ``values`` [S], S a power of two, where
values of -1 are free slots. All stands in one file because Numba, looking whether a kernel that it kept is still good, looks
at the file of that kernel alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from trainer.corpus.compiling import kernel

USED, AT, START, BETWEEN = range(4)
STATE_LENGTH = 4

ID_BITS = 28
MOST_UNITS = 1 << ID_BITS

_IDS = types.Array(types.int32, 1, "C", readonly=True)
_U8, _U64 = types.uint8[::1], types.uint64[::1]
_I32, _I64, _F64 = types.int32[::1], types.int64[::1], types.float64[::1]

_M1, _M2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_1, _8, _33, _36, _40 = (np.uint64(n) for n in (1, 8, 33, 36, 40))


@njit
def _mix(key: Any) -> Any:
    """MurmurHash3's finalizer."""
    key ^= key >> _33
    key *= _M1
    key ^= key >> _33
    key *= _M2
    return key ^ key >> _33


@njit
def _pack(first: Any, between: Any, last: Any) -> Any:
    return np.uint64(first) << _36 | np.uint64(last) << _8 | np.uint64(between)


@njit
def _find(keys: Any, values: Any, key: Any, hashed: Any) -> Any:
    """The slot of ``key``, or the free one where it belongs."""
    mask = np.uint64(len(keys)) - _1
    slot = hashed & mask
    while values[slot] >= 0 and keys[slot] != key:
        slot = slot + _1 & mask
    return slot


@kernel(types.void(_IDS, _U8, _U8, _F64, _F64, types.uint64, types.uint64, _U64, _I64, types.int64, _I64))
def count_pairs(
    ids: Any,
    first: Any,
    connector: Any,
    counts: Any,
    limits: Any,
    share_mask: Any,
    share: Any,
    keys: Any,
    values: Any,
    room: Any,
    state: Any,
) -> None:
    """Count the pairs of a piece of text in a table, from ``state[AT]`` on.

    Only pairs (a, b) with ``counts[a] < limits[b]`` and the other way round, and of these only those whose hash says that
    they are in ``share``. Stops before a pair for which the table, with ``room`` pairs in it, has none left; ``state``
    says where, and counting goes on from there.
    """
    start, between = state[START], state[BETWEEN]
    for at in range(state[AT], len(ids)):
        if first[at]:
            start = -1
        token = ids[at]
        if token < 0:
            start = -1
            continue
        number = connector[token]
        if number:
            if start >= 0 and between < 16:
                between = between << 4 | number
            else:
                start = -1
            continue
        if start >= 0 and counts[start] < limits[token] and counts[token] < limits[start]:
            key = _pack(start, between, token)
            hashed = _mix(key)
            if hashed >> _40 & share_mask == share:
                slot = _find(keys, values, key, hashed)
                if values[slot] >= 0:
                    values[slot] += 1
                elif state[USED] < room:
                    keys[slot] = key
                    values[slot] = 1
                    state[USED] += 1
                else:
                    state[AT], state[START], state[BETWEEN] = at, start, between
                    return
        start, between = token, 0
    state[AT], state[START], state[BETWEEN] = len(ids), start, between


@kernel(types.int64(_U64, _I64, types.uint64, types.uint64, _U64, _I64))
def move_pairs(old_keys: Any, old_values: Any, share_mask: Any, share: Any, keys: Any, values: Any) -> int:
    """Put the pairs of ``share`` from one table into another, empty one; how many they are."""
    moved = 0
    for place in range(len(old_keys)):
        if old_values[place] >= 0:
            hashed = _mix(old_keys[place])
            if hashed >> _40 & share_mask == share:
                slot = _find(keys, values, old_keys[place], hashed)
                keys[slot] = old_keys[place]
                values[slot] = old_values[place]
                moved += 1
    return moved


@kernel(types.int64(_IDS, _U8, _U8, _U64, _I64, _I32, _I64, _I64, _I64))
def join_pairs(
    ids: Any,
    first: Any,
    connector: Any,
    keys: Any,
    values: Any,
    joined: Any,
    line_starts: Any,
    counts: Any,
    times: Any,
) -> int:
    """Write a piece of text to ``joined`` with the pairs of a table joined from left to right; how long it is then.

    ``times`` [phrases] becomes how often each was joined: its number is in the low half of a value, the id that it gets in
    the high half. ``counts`` is added to for each id written; ``line_starts`` says where each line begins.
    """
    written = 0
    line = 0
    held = 0  # ids[held:at] may begin a phrase and are not written yet
    between = 0
    for at in range(len(ids) + 1):
        if at == len(ids) or first[at]:
            # A line ends: what was held is no phrase.
            for place in range(held, at):
                joined[written] = ids[place]
                counts[ids[place]] += 1
                written += 1
            held = at
            between = 0
            if at == len(ids):
                break
            line_starts[line] = written
            line += 1
        token = ids[at]
        slot = np.uint64(0)
        found = False
        extends = False
        number = 0
        if token >= 0:
            number = connector[token]
            if number:
                extends = held < at and between < 16
            elif held < at:
                key = _pack(ids[held], between, token)
                slot = _find(keys, values, key, _mix(key))
                found = values[slot] >= 0
        if extends:
            between = between << 4 | number
            continue
        if found:
            joined[written] = values[slot] >> 32
            counts[joined[written]] += 1
            times[values[slot] & 0xFFFFFFFF] += 1
            written += 1
            held = at + 1
            between = 0
            continue
        for place in range(held, at):
            joined[written] = ids[place]
            counts[ids[place]] += 1
            written += 1
        between = 0
        held = at
        if token < 0 or number:
            joined[written] = token
            if token >= 0:
                counts[token] += 1
            written += 1
            held = at + 1
    return written
