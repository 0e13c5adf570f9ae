"""What a corpus must hold, by Python alone."""

from collections import Counter
from itertools import accumulate

import numpy as np

from trainer.corpus.counting import Counting
from trainer.corpus.encoding import Vocabulary, encode
from trainer.corpus.folder import IDS_FILE, LINES_FILE, VOCABULARY_FILE


def cut_lines(text, line_bytes):
    """The lines of a text (bytes), those of more than ``line_bytes`` cut; and how many cuts that made."""
    pieces, cuts = [], 0
    for line in text.split(b"\n"):
        rest = line
        while len(rest) > line_bytes:
            head = rest[:line_bytes]
            spaces = [i for i, byte in enumerate(head) if byte in b" \t\r\v\f\0"]
            if spaces:
                at = spaces[-1] + 1
            else:
                at = next(
                    (i for i in range(line_bytes, line_bytes - 4, -1) if rest[i] & 0xC0 != 0x80), line_bytes
                )
            pieces.append(rest[:at])
            rest = rest[at:]
            cuts += 1
        pieces.append(rest)
    return pieces, cuts


def expected(texts, tokenizer, min_count, line_bytes=1 << 20):
    """Tokens, counts, ids, line starts, and the number of cuts, for the bytes of some files."""
    lines, cuts = [], 0
    for text in texts:
        pieces, own_cuts = cut_lines(text.removeprefix(b"\xef\xbb\xbf"), line_bytes)
        lines += [
            tokens for piece in pieces if (tokens := tokenizer.tokens(piece.decode("utf-8", "replace")))
        ]
        cuts += own_cuts
    counts = Counter(token for line in lines for token in line)
    kept = sorted((token for token in counts if counts[token] >= min_count), key=lambda t: (-counts[t], t))
    ids = {token: token_id for token_id, token in enumerate(kept)}
    return {
        "tokens": kept,
        "counts": [counts[token] for token in kept],
        "ids": [ids.get(token, -1) for line in lines for token in line],
        "lines": list(accumulate((len(line) for line in lines), initial=0)),
        "types": len(counts),
        "cuts": cuts,
    }


def built(sources, tokenizer, min_count, folder, **sizes):
    """The same from the compiled code; ``sizes`` are threads, piece_bytes and line_bytes."""
    counting = Counting(sources, tokenizer=tokenizer, folder=folder, **sizes)
    counting.run(lambda: None)
    vocabulary = Vocabulary(counting, min_count)
    vocabulary.write(folder)
    encode(counting, vocabulary, folder, lambda _: None)
    return {
        "tokens": (folder / VOCABULARY_FILE).read_bytes().decode().split("\n")[:-1],
        "counts": vocabulary.counts.tolist(),
        "ids": np.fromfile(folder / IDS_FILE, "<i4").tolist(),
        "lines": np.fromfile(folder / LINES_FILE, "<i8").tolist(),
        "types": vocabulary.types,
        "cuts": counting.cut_lines,
    }, counting
