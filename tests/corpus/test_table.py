import numpy as np

from trainer.corpus.kernels import ARENA_USED, TYPES
from trainer.corpus.table import WordTable

MASK = (1 << 64) - 1


def mix(value):
    value = value * 0x9E3779B97F4A7C15 & MASK
    return value ^ value >> 32


def make_table(words, counts):
    """A table of words (bytes) that nothing is looked up in."""
    table = WordTable()
    padded = [word + bytes(-len(word) % 8) for word in words]
    table.reserve(len(words), sum(map(len, padded)) // 8)
    for number, word in enumerate(padded):
        used = int(table.starts[number])
        table.arena[used : used + len(word) // 8] = np.frombuffer(word, "<u8")
        table.starts[number + 1] = used + len(word) // 8
    table.counts[: len(words)] = counts
    table.state[TYPES] = len(words)
    table.state[ARENA_USED] = table.starts[len(words)]
    return table


def absorbed(words, counts=None):
    table = WordTable()
    numbers = table.absorb(make_table(words, counts or [1] * len(words)))
    return table, numbers.tolist()


def test_words_with_the_same_hash_stay_apart():
    first = [0x6161616161616161, 0x6262626262626262]
    other_start = 0x6363636363636363
    second = [other_start, mix(first[0]) ^ first[1] ^ mix(other_start)]
    words = [np.array(pair, "<u8").tobytes() for pair in (first, second)]
    assert mix(mix(first[0]) ^ first[1]) == mix(mix(second[0]) ^ second[1])
    assert all(0 not in word for word in words)
    table, numbers = absorbed([*words, words[1], words[0], words[0]])
    assert numbers == [0, 1, 1, 0, 0]
    assert table.counts[:2].tolist() == [3, 2]


def test_a_long_words_hash_is_not_taken_for_a_short_word():
    long_word = [0x6161616161616161, 0x6262626262626262]
    short = mix(mix(long_word[0]) ^ long_word[1])
    words = [np.array(long_word, "<u8").tobytes(), short.to_bytes(8, "little")]
    assert absorbed(words + words[::-1])[1] == [0, 1, 1, 0]


def test_growing_keeps_every_word():
    words = [f"{'long stem ' * (n % 3)}{n}".encode() for n in range(50_000)]
    table, numbers = absorbed(words, list(range(1, 50_001)))
    assert numbers == list(range(50_000))
    assert table.absorb(make_table(words, [1] * 50_000)).tolist() == numbers
    assert table.counts[:50_000].tolist() == list(range(2, 50_002))
    assert table.words(np.arange(50_000)) == words


def test_ranking():
    words = [b"b", b"a", b"c" * 30 + b"b", b"c" * 30 + b"a", b"c" * 30, b"rare", "é".encode(), b"z"]
    counts = [5, 5, 5, 5, 5, 1, 5, 9]
    table, _ = absorbed(words, counts)
    assert table.words(table.rank(2)) == sorted(
        (word for word, count in zip(words, counts, strict=True) if count > 1),
        key=lambda word: (word != b"z", word.decode()),
    )
    assert len(table.rank(10)) == 0
