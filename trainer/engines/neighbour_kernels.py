"""What goes on beside the products when neighbours are computed on cores: keeping the best scores, deciding between them.

A row's kept scores lie in ``scores`` [V, K] and ``ids`` [V, K], ``counts`` [V] of them; what is below ``thresholds`` [V] is
not kept. A row whose threshold is infinite keeps nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.engines.language.compiled import compiled

ANY_SCORE = np.float32(-2)
"""Below every cosine."""
_STRIP = 32  # scores that are looked at together


@compiled
def find_nth(values: Any, count: int, nth: int) -> Any:
    """The ``nth`` largest (from 1) of the first ``count`` of ``values``, which end in another order (Hoare 1961)."""
    low, high, place = 0, count - 1, nth - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return values[place]


@compiled
def guess_thresholds(block: Any, nth: int, slack: Any, thresholds: Any) -> None:
    """The ``nth`` best of each row of ``block`` [n, m] of scores, which ends in another order, less ``slack``.

    ``thresholds`` [n] that are infinite stay.
    """
    for i in range(len(block)):
        if np.isfinite(thresholds[i]):
            thresholds[i] = np.float32(find_nth(block[i], block.shape[1], nth) - slack)


@compiled
def prune_row(
    row: int, wanted: int, slack: Any, thresholds: Any, scores: Any, ids: Any, counts: Any, scratch: Any
) -> None:
    """Of more than ``wanted`` scores, keep those at most ``slack`` below the last wanted one."""
    count = counts[row]
    for i in range(count):
        scratch[i] = scores[row, i]
    threshold = np.float32(find_nth(scratch, count, wanted) - slack)
    kept = 0
    for i in range(count):
        if scores[row, i] >= threshold:
            scores[row, kept] = scores[row, i]
            ids[row, kept] = ids[row, i]
            kept += 1
    counts[row] = kept
    thresholds[row] = threshold


@compiled
def keep_score(
    row: int,
    token_id: int,
    score: Any,
    wanted: int,
    slack: Any,
    thresholds: Any,
    scores: Any,
    ids: Any,
    counts: Any,
    scratch: Any,
) -> None:
    """Keep a score that is not below the row's threshold; where there is no room for it, raise that."""
    count = counts[row]
    scores[row, count] = score
    ids[row, count] = token_id
    counts[row] = count + 1
    room = scores.shape[1]
    if count + 1 == room:
        prune_row(row, wanted, slack, thresholds, scores, ids, counts, scratch)
        if room - counts[row] < (room - wanted) // 8:  # too many are alike, and pruning would never end
            counts[row] = -1
            thresholds[row] = np.float32(np.inf)


@compiled
def _reaches(line: Any, beside: Any, own: Any, start: int, stop: int) -> Any:
    """Whether any of some scores is to be kept for its row or for its column."""
    found = 0
    for j in range(np.uint64(start), np.uint64(stop)):  # unsigned, so that LLVM makes vector code of it
        found |= line[j] >= min(own, beside[j])
    return found


@compiled
def take_block(
    block: Any,
    first_row: int,
    first_column: int,
    live: Any,
    wanted: int,
    slack: Any,
    thresholds: Any,
    scores: Any,
    ids: Any,
    counts: Any,
    scratch: Any,
) -> None:
    """Scores [n, m] of rows against other rows, both ways: each serves its row and its column.

    A block on the diagonal (``first_row == first_column``) is looked at above the diagonal alone. Rows that are not
    ``live`` are nobody's neighbours.
    """
    rows, columns = block.shape
    beside = thresholds[first_column : first_column + columns]
    for i in range(rows):
        row = first_row + i
        line = block[i]
        begin = i + 1 if first_row == first_column else 0
        for start in range(begin // _STRIP * _STRIP, columns, _STRIP):
            stop = min(start + _STRIP, columns)
            if not _reaches(line, beside, thresholds[row], start, stop):
                continue
            for j in range(max(start, begin), stop):
                score, column = line[j], first_column + j
                if score >= thresholds[row] and live[column]:
                    keep_score(row, column, score, wanted, slack, thresholds, scores, ids, counts, scratch)
                if score >= thresholds[column] and live[row]:
                    keep_score(column, row, score, wanted, slack, thresholds, scores, ids, counts, scratch)


@compiled
def _flip(bits: Any) -> Any:
    """The bits of a number as an integer that rises when the number falls, and back."""
    if bits == np.uint32(0x80000000):  # -0
        bits = np.uint32(0)
    return bits if bits >> np.uint32(31) else np.uint32(bits ^ np.uint32(0x7FFFFFFF))


@compiled
def decide_rows(
    first: int,
    stop: int,
    wanted: int,
    slack: Any,
    table: Any,
    units: Any,
    lengths: Any,
    thresholds: Any,
    scores: Any,
    ids: Any,
    counts: Any,
    found_ids: Any,
    found_cosines: Any,
) -> None:
    """The best of what is kept for the rows ``first:stop``, by cosines in float64 that are rounded once, ties by id.

    ``table`` [V, D] are the rows, ``lengths`` [V] theirs in float64, ``units`` [V, D] their directions in float32.
    """
    dim = table.shape[1]
    scratch = np.empty(scores.shape[1], np.float32)
    cosines = np.empty(scores.shape[1], np.float32)
    bits = cosines.view(np.uint32)
    keys = np.empty(scores.shape[1], np.uint64)
    unit = np.empty(dim, np.float64)
    for row in range(first, stop):
        if counts[row] > wanted:
            prune_row(row, wanted, slack, thresholds, scores, ids, counts, scratch)
        count = max(counts[row], 0)
        squares = 0.0
        for d in range(dim):
            unit[d] = units[row, d]
            squares += unit[d] * unit[d]
        for i in range(count):
            other = ids[row, i]
            line = table[other]
            dot = 0.0
            for d in range(dim):
                dot += line[d] * unit[d]
            cosines[i] = min(1.0, max(-1.0, dot / (lengths[other] * np.sqrt(squares))))
            keys[i] = np.uint64(_flip(bits[i])) << np.uint64(32) | np.uint64(other)
        keys[:count].sort()
        for i in range(min(count, wanted)):
            found_ids[row, i] = np.int32(keys[i] & np.uint64(0xFFFFFFFF))
            bits[i] = _flip(np.uint32(keys[i] >> np.uint64(32)))
            found_cosines[row, i] = cosines[i]
