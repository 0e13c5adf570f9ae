"""Small embeddings to ask questions of."""

import numpy as np
import pytest

from artifact.embedding import Embedding
from artifact.tokenizer import Tokenizer
from artifact.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def make_embedding():
    """Makes an embedding of words: token -> vector, the most frequent first."""

    def make(words, *, tokenizer="words"):
        counts = np.arange(len(words), 0, -1, dtype=np.int64)
        return Embedding.from_arrays(
            vectors=np.array(list(words.values()), dtype=np.float32),
            vocabulary=Vocabulary.from_tokens(list(words), counts),
            tokenizer=Tokenizer(tokenizer),
            name="made",
            version="up",
        )

    return make


@pytest.fixture(scope="session")
def royal(make_embedding):
    """Makes king, man, queen, woman on two axes (royal, female), an apple, and what else is given."""

    def make(**more):
        words = {
            "man": [0, 0, 1],
            "woman": [0, 1, 1],
            "king": [1, 0, 1],
            "queen": [1, 1, 1],
            "apple": [-1, -1, 1],
        }
        return make_embedding({**words, **more})

    return make
