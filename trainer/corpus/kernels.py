"""The compiled inner loops: bytes to word numbers, through a hash table of the words seen so far.

A word's bytes lie in 64-bit words, little-endian, the last one filled with zeros (no word holds a NUL). A table is a tuple of

    slots   [2 S] pairs (key, value), S a power of two, at most half of them used. key: the word itself where it fits
            into 8 bytes, else its hash. value: 0 is free; else 1 + the word's number, with LONG set for a hash.
    starts  [T+1] where each word's bytes start in ``arena``
    arena   the bytes of all words
    counts  [T] how often each was seen
    state   TYPES, ARENA_USED, IDS, LINES, LONG_WORDS
    word    [MAX_WORDS] scratch space for the word at hand

Indices are unsigned: Numba then leaves out its test for negative ones. All stands in one file because Numba, looking
whether a kernel that it kept is still good, looks at the file of that kernel alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from trainer.corpus.compiling import kernel

# The kinds of code points. A word starts at START and goes on over CONTINUE; JOIN holds it together between two SIDEs.
START = 1
CONTINUE = 2
SIDE = 4
JOIN = 8
NEWLINE = 16
DIGIT = 32

# What find_oddity looks at.
ALWAYS_ODD = 1
MAY_COMPOSE = 2
MAY_TAKE = 4
REORDERS = 8

TYPES, ARENA_USED, IDS, LINES, LONG_WORDS = range(5)
STATE_LENGTH = 5

MAX_WORDS = 126
"""64-bit words in the longest token, and one more for what is written before its length is known."""

_TEXT = types.Array(types.uint8, 1, "C", readonly=True)
_EIGHTS = types.Array(types.uint64, 1, "C", readonly=True)
_U8, _U32, _U64 = types.uint8[::1], types.uint32[::1], types.uint64[::1]
_I32, _I64 = types.int32[::1], types.int64[::1]
_TABLE = types.Tuple((_U64, _U64, _U64, _I64, _I64, _U64))  # type: ignore[no-untyped-call]

_0, _1, _2, _3, _4, _6, _7, _8 = (np.uint64(n) for n in (0, 1, 2, 3, 4, 6, 7, 8))
_12, _18, _32, _64 = (np.uint64(n) for n in (12, 18, 32, 64))
_LOW_6, _LOW_5, _LOW_4, _LOW_3 = (np.uint64(n) for n in (0x3F, 0x1F, 0x0F, 0x07))
_ASCII, _LEAD_3, _LEAD_4 = (np.uint64(n) for n in (0x80, 0xE0, 0xF0))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LONG = np.uint64(1 << 63)
_CAPITAL_SIGMA, _SMALL_SIGMA_BYTES = np.uint64(0x3A3), np.uint64(0x83CF)
_MAX_TOKEN_BYTES = np.uint64(1000)
_HIGH_BITS = np.uint64(0x8080808080808080)


@njit
def _decode(text: Any, p: Any) -> Any:
    """The code point at ``p`` and how many bytes it takes. The text is valid UTF-8."""
    lead = np.uint64(text[p])
    if lead < _ASCII:
        return lead, _1
    second = np.uint64(text[p + _1]) & _LOW_6
    if lead < _LEAD_3:
        return (lead & _LOW_5) << _6 | second, _2
    third = np.uint64(text[p + _2]) & _LOW_6
    if lead < _LEAD_4:
        return (lead & _LOW_4) << _12 | second << _6 | third, _3
    return (lead & _LOW_3) << _18 | second << _12 | third << _6 | np.uint64(text[p + _3]) & _LOW_6, _4


@njit
def _mix(value: Any) -> Any:
    value *= _GOLDEN
    return value ^ value >> _32


@njit
def _find(table: Any, size: Any, key: Any, tag: Any) -> Any:
    """The place of the slot of the word at hand, or of the free one where it belongs."""
    slots, starts, arena, _, _, word = table
    mask = np.uint64(len(slots)) - _2
    place = _mix(key) << _1 & mask
    while True:
        value = slots[place + _1]
        if value == _0:
            return place
        if slots[place] == key and value & _LONG == tag:
            if tag == _0:
                return place
            number = (value ^ _LONG) - _1
            start = starts[number]
            if starts[number + _1] - start == size:
                same = True
                for i in range(size):
                    if arena[start + np.uint64(i)] != word[np.uint64(i)]:
                        same = False
                        break
                if same:
                    return place
        place = place + _2 & mask


@njit
def _add(table: Any, size: Any, key: Any, tag: Any, place: Any) -> Any:
    """Give the word at hand a number; the table has room for it."""
    slots, starts, arena, _, state, word = table
    number = np.uint64(state[TYPES])
    used = np.uint64(state[ARENA_USED])
    for i in range(size):
        arena[used + np.uint64(i)] = word[np.uint64(i)]
    starts[number + _1] = used + size
    slots[place] = key
    slots[place + _1] = number + _1 | tag
    state[TYPES] += 1
    state[ARENA_USED] += np.int64(size)
    return number


@njit
def _key(word: Any, size: Any) -> Any:
    """What a slot holds for a word, and whether it is a hash."""
    if size == _1:
        return word[_0], _0
    key = word[_0]
    for i in range(_1, size):
        key = _mix(key) ^ word[np.uint64(i)]
    return _mix(key), _LONG


@kernel(types.int64(_TEXT, types.int64, _U8, _U32, _TABLE, _I32, _I32))
def scan(text: Any, position: Any, kinds: Any, spellings: Any, table: Any, ids: Any, line_ends: Any) -> Any:
    """Append the words of ``text`` from ``position`` on to ``ids``, and to ``line_ends`` how many there were at each line's end.

    The text is valid UTF-8 in NFC and without oddities; its end is a line's end. Returns where it stopped: the end of the text,
    or the start of a word that the table has no room for.
    """
    slots, _, arena, counts, state, word = table
    end = np.uint64(len(text))
    p = np.uint64(position)
    n_ids = np.uint64(state[IDS])
    n_lines = np.uint64(state[LINES])
    line_start = np.int32(0) if n_lines == _0 else line_ends[n_lines - _1]
    max_types = np.uint64(min(len(slots) // 4, len(counts)))
    max_arena = np.uint64(len(arena) - MAX_WORDS)
    full = False
    while p < end:
        code_point, width = _decode(text, p)
        kind = kinds[code_point]
        if kind & START == 0:
            p += width
            if kind & NEWLINE:
                if n_ids > np.uint64(line_start):
                    line_start = np.int32(n_ids)
                    line_ends[n_lines] = line_start
                    n_lines += _1
            elif kind & DIGIT:
                digit = code_point & _LOW_4
                ids[n_ids] = np.int32(digit)
                n_ids += _1
                counts[digit] += 1
            continue
        start = p
        length = _0
        packed = _0
        while True:
            last = code_point
            last_kind = kind
            spelling = np.uint64(spellings[code_point])
            size = _1
            if spelling > np.uint64(0xFF):
                size = (
                    _2 + np.uint64(spelling > np.uint64(0xFFFF)) + np.uint64(spelling > np.uint64(0xFFFFFF))
                )
            shift = (length & _7) << _3
            packed |= spelling << shift
            length += size
            if shift + (size << _3) >= _64:
                if length < _MAX_TOKEN_BYTES + _8:
                    word[(length >> _3) - _1] = packed
                packed = spelling >> _64 - shift if shift else _0
            p += width
            if p >= end:
                break
            code_point, width = _decode(text, p)
            kind = kinds[code_point]
            if kind & CONTINUE:
                continue
            if (
                kind & JOIN
                and last_kind & SIDE
                and p + width < end
                and kinds[_decode(text, p + width)[0]] & SIDE
            ):
                continue
            break
        if length > _MAX_TOKEN_BYTES:
            state[LONG_WORDS] += 1
            continue
        size = length + _7 >> _3
        if length & _7:
            word[size - _1] = packed
        if last == _CAPITAL_SIGMA and spellings[last] == _SMALL_SIGMA_BYTES and length > _2:
            # The last byte of σ is 0x83, of ς 0x82.
            word[size - _1] ^= _1 << ((length - _1 & _7) << _3)
        key, tag = _key(word, size)
        place = _find(table, size, key, tag)
        value = slots[place + _1]
        if value == _0:
            if np.uint64(state[TYPES]) >= max_types or np.uint64(state[ARENA_USED]) > max_arena:
                p = start
                full = True
                break
            number = _add(table, size, key, tag, place)
        else:
            number = (value & ~_LONG) - _1
        counts[number] += 1
        ids[n_ids] = np.int32(number)
        n_ids += _1
    if not full and n_ids > np.uint64(line_start):
        line_ends[n_lines] = np.int32(n_ids)
        n_lines += _1
    state[IDS] = np.int64(n_ids)
    state[LINES] = np.int64(n_lines)
    return np.int64(p)


@kernel(types.int64(_TEXT, _EIGHTS, types.int64, types.int64, _U8, _U8))
def find_oddity(text: Any, eights: Any, start: Any, stop: Any, traits: Any, classes: Any) -> Any:
    """Where the first stretch without ASCII white space begins in ``text[start:stop]`` that ``scan`` must not see, or ``stop``.

    It holds what is not UTF-8, what may not be in NFC (the quick check of UAX #15, with a look at the character
    before), and what is marked as always odd. ``eights`` is ``text`` as 64-bit words; ``classes`` are canonical
    combining classes.
    """
    end = np.uint64(stop)
    p = np.uint64(start)
    n_eights = np.uint64(len(eights))
    starter = _0
    last_class = np.uint8(0)
    while p < end:
        lead = np.uint64(text[p])
        if lead < _ASCII:
            p += _1
            while (
                p & _7 == _0 and p + _8 <= end and p >> _3 < n_eights and eights[p >> _3] & _HIGH_BITS == _0
            ):
                p += _8
            starter = np.uint64(text[p - _1])
            last_class = np.uint8(0)
            continue
        width = _2 + np.uint64(lead >= _LEAD_3) + np.uint64(lead >= _LEAD_4)
        if lead < np.uint64(0xC2) or lead > np.uint64(0xF4) or p + width > end:
            break
        second = np.uint64(text[p + _1])
        if second & np.uint64(0xC0) != _ASCII:
            break
        if width > _2 and np.uint64(text[p + _2]) & np.uint64(0xC0) != _ASCII:
            break
        if width > _3 and np.uint64(text[p + _3]) & np.uint64(0xC0) != _ASCII:
            break
        # Longer than need be, a surrogate, beyond U+10FFFF.
        if (lead == np.uint64(0xE0) and second < np.uint64(0xA0)) or (
            lead == np.uint64(0xED) and second > np.uint64(0x9F)
        ):
            break
        if (lead == np.uint64(0xF0) and second < np.uint64(0x90)) or (
            lead == np.uint64(0xF4) and second > np.uint64(0x8F)
        ):
            break
        code_point, _ = _decode(text, p)
        trait = traits[code_point]
        own_class = np.uint8(0)
        if trait:
            if trait & ALWAYS_ODD or (trait & MAY_COMPOSE and traits[starter] & MAY_TAKE):
                break
            if trait & REORDERS:
                own_class = classes[code_point]
                if last_class > own_class:
                    break
        if own_class == 0:
            starter = code_point
        last_class = own_class
        p += width
    if p < end:
        while p > np.uint64(start) and text[p - _1] != 32 and (text[p - _1] < 9 or text[p - _1] > 13):
            p -= _1
    return np.int64(p)


@kernel(types.void(_U64, _U64))
def move_slots(old: Any, new: Any) -> None:
    """Put the slots of a table into a larger one that is all zeros."""
    mask = np.uint64(len(new)) - _2
    for i in range(0, len(old), 2):
        key, value = old[np.uint64(i)], old[np.uint64(i + 1)]
        if value != _0:
            place = _mix(key) << _1 & mask
            while new[place + _1] != _0:
                place = place + _2 & mask
            new[place] = key
            new[place + _1] = value


@kernel(types.void(_TABLE, _TABLE, _I32))
def merge(source: Any, table: Any, numbers: Any) -> None:
    """Add the words and counts of a table to another, which has room; ``numbers`` becomes their numbers there."""
    _, from_starts, from_arena, from_counts, _, _ = source
    _, _, _, counts, _, word = table
    for i in range(len(numbers)):
        first = from_starts[np.uint64(i)]
        size = from_starts[np.uint64(i) + _1] - first
        for j in range(size):
            word[np.uint64(j)] = from_arena[first + np.uint64(j)]
        key, tag = _key(word, size)
        place = _find(table, size, key, tag)
        value = table[0][place + _1]
        number = _add(table, size, key, tag, place) if value == _0 else (value & ~_LONG) - _1
        counts[number] += from_counts[np.uint64(i)]
        numbers[np.uint64(i)] = np.int32(number)
