"""Finding the words of evaluation sets in a model."""

from __future__ import annotations

from artifact.embedding import Embedding


def find_word(embedding: Embedding, word: str) -> int | None:
    """The id of ``word`` as the model's tokenizer writes it; where that is not known, of its lower-case form.

    So ``Athens`` is asked of a model that keeps case, and ``athens`` of one whose text was lower case already.
    Words that a model with subwords could compose count as unknown, so that its coverage and its scores compare with
    those of models without.
    """
    token_id = embedding.find(word)
    return embedding.find(word.lower()) if token_id is None else token_id
