"""Models of random vectors, for measuring what does not depend on their meaning."""

import numpy as np

from artifact.draft import write_embedding
from artifact.store import Store
from artifact.tokenizer import Tokenizer


def publish_words(root, name, *, words, dim, card=b""):
    """Word vectors w0, w1, ... in the store at ``root``, which is made."""
    rng = np.random.default_rng(0)
    with Store(root, create=True).draft(name) as draft:
        write_embedding(
            draft,
            tokens=[f"w{number}" for number in range(words)],
            counts=np.arange(words, 0, -1, dtype=np.int64),
            vectors=rng.normal(size=(words, dim)).astype(np.float32),
        )
        if card:
            draft.add("card", "README.md", card)
        draft.publish(kind="embedding", tokenizer=Tokenizer("words"), recipe={}, metrics={})
