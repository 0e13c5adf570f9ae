"""New text under the vocabulary of an older training and its own: counts added, ids given anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artifact.errors import InputError
from trainer.corpus import Corpus

IDS_FILE = "ids.i32"
_BLOCK_WORDS = 1 << 20


@dataclass(frozen=True)
class ExtendedCorpus:
    """The new text alone, in ids of the joined vocabulary, whose counts are those of both texts together.

    Negatives and subsampling follow these counts. By the new text's own counts a word that it lacks would never be drawn
    against, and nothing would keep the new words away from it; and a word that is frequent in the older text and rare in
    a short new one would be taken for a rare word.
    """

    corpus: Corpus
    old_ids: NDArray[np.int64]
    """[older V] the id that each word of the older training has now."""
    new_words: int
    """How many words the older training did not know."""


def extend_corpus(
    corpus: Corpus, *, tokens: Sequence[str], counts: NDArray[np.int64], min_count: int, folder: Path
) -> ExtendedCorpus:
    """``corpus`` under the union of its vocabulary and an older one of ``tokens`` with ``counts`` [older V].

    All older words stay; others must occur ``min_count`` times in ``corpus``. The text in its new ids is written to
    ``folder``, which must not be there. Raises InputError where that cannot be done.
    """
    known = {token: token_id for token_id, token in enumerate(tokens)}
    own_tokens = list(corpus.tokens)
    # Where each word of the text stands in the list of all: with the older ones first, or -1.
    places = np.array([known.get(token, -1) for token in own_tokens], np.int64)
    is_new = (places < 0) & (np.asarray(corpus.counts) >= min_count)
    places[is_new] = len(tokens) + np.arange(np.count_nonzero(is_new))
    joined = [*tokens, *(own_tokens[place] for place in np.flatnonzero(is_new).tolist())]
    totals = np.zeros(len(joined), np.int64)
    totals[: len(tokens)] = counts
    np.add.at(totals, places[places >= 0], np.asarray(corpus.counts)[places >= 0])
    falling = (-totals).tolist()
    order = np.array(sorted(range(len(joined)), key=lambda place: (falling[place], joined[place])), np.int64)
    ids = np.empty(len(joined), np.int64)
    ids[order] = np.arange(len(joined))
    # One more at the end, for the -1 of words that the corpus left out itself.
    new_ids = np.append(np.where(places >= 0, ids[places], -1), -1).astype("<i4")
    token_ids, kept_words = _write_ids(corpus.token_ids, new_ids, folder)
    report = replace(corpus.report, kept_types=int(np.count_nonzero(places >= 0)), kept_words=kept_words)
    return ExtendedCorpus(
        corpus=replace(
            corpus,
            path=folder,
            min_count=min_count,
            token_ids=token_ids,
            tokens=[joined[place] for place in order.tolist()],
            counts=totals[order],
            report=report,
        ),
        old_ids=ids[: len(tokens)],
        new_words=len(joined) - len(tokens),
    )


def _write_ids(
    token_ids: NDArray[np.int32], new_ids: NDArray[np.int32], folder: Path
) -> tuple[NDArray[np.int32], int]:
    """The text in its new ids, mapped, and how many of its words have one."""
    kept = 0
    try:
        folder.mkdir(parents=True)
        with (folder / IDS_FILE).open("wb") as file:
            for start in range(0, len(token_ids), _BLOCK_WORDS):
                block = new_ids[token_ids[start : start + _BLOCK_WORDS]]
                kept += int(np.count_nonzero(block >= 0))
                file.write(block.data)
    except OSError as error:
        raise InputError(f"cannot write the text to {folder}: {error.strerror or error}") from None
    return np.asarray(np.memmap(folder / IDS_FILE, dtype="<i4", mode="r")), kept
