"""gensim's KeyedVectors as ``save`` writes them: a pickle."""

from __future__ import annotations

import os
from pathlib import Path

from artifact.errors import InputError

FORMAT = "keyed-vectors"


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a pickle of protocol 2 or later."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def refuse(path: Path) -> InputError:
    """The error that says how to convert the file: opening a pickle would run whatever is in it."""
    name = os.fsencode(path.name).decode("utf-8", "backslashreplace")
    return InputError(
        f"{name}: a pickle, which is not opened here; if you trust it, convert it with: python -c "
        f"\"from gensim.models import KeyedVectors; KeyedVectors.load('{name}').save_word2vec_format('{name}.w2v', binary=True)\""
    )
