"""What TensorBoard's embedding projector (projector.tensorflow.org) loads: a table of vectors, and a word a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artifact.formats.text_rows import EXACT_DIGITS

FORMAT = "projector"
VECTORS_FILE, METADATA_FILE = "vectors.tsv", "metadata.tsv"


def write_projector(folder: Path, blocks: Iterator[tuple[Sequence[str], NDArray[np.float32]]]) -> None:
    """Write both files to ``folder``. The metadata has one column and so, as the projector wants it, no heading."""
    with (
        (folder / VECTORS_FILE).open("wb") as vectors_file,
        (folder / METADATA_FILE).open("wb") as metadata_file,
    ):
        for tokens, vectors in blocks:
            template = "\t".join([f"%.{EXACT_DIGITS}g"] * vectors.shape[1]) + "\n"
            vectors_file.write("".join(template % tuple(row) for row in vectors.tolist()).encode())
            # Tabs and line ends inside a word would begin a column or a row.
            metadata_file.write("".join(f"{' '.join(token.split()) or '␣'}\n" for token in tokens).encode())
