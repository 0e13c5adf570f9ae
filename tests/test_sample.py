"""The generated sample corpus: deterministic, of the promised size, and with the regularities that its truths claim.

What a trained model makes of it is asked elsewhere; here the text itself is counted.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import chain, pairwise

import numpy as np
import pytest

from artifact.errors import InputError
from artifact.tokenizer import Tokenizer
from trainer.corpus.sample import (
    ANALOGIES,
    ANALOGY_SECTIONS,
    BOOK_ANALOGIES,
    BOOK_QUERIES,
    GROUPS,
    SAMPLE_NOTICE,
    SAMPLE_SENTENCES,
    SENTENCE_STARTS,
    is_sample,
    write_sample,
    write_sample_analogies,
    write_sample_similarity,
)
from trainer.corpus.sample_grammar import Grammar, Topic
from trainer.corpus.sample_topics import SHARED, TOPICS

WINDOW = 5


@pytest.fixture(scope="module")
def sentences(tmp_path_factory) -> list[list[str]]:
    path = tmp_path_factory.mktemp("sample") / "sample.txt"
    write_sample(path)
    return [line.split() for line in path.read_text(encoding="ascii").splitlines()]


@pytest.fixture(scope="module")
def counts(sentences) -> Counter[str]:
    return Counter(chain.from_iterable(sentences))


@pytest.fixture(scope="module")
def contexts(sentences) -> dict[str, Counter[str]]:
    """For each word, how often each other word stands within the window."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for words in sentences:
        for position, word in enumerate(words):
            found[word].update(words[max(0, position - WINDOW) : position])
            found[word].update(words[position + 1 : position + 1 + WINDOW])
    return found


class Association:
    """Words as vectors of positive pointwise mutual information with their contexts: no training, only counting."""

    def __init__(self, contexts: dict[str, Counter[str]]) -> None:
        self.words = sorted(contexts)
        self.index = {word: index for index, word in enumerate(self.words)}
        joint = np.zeros((len(self.words), len(self.words)))
        for word, around in contexts.items():
            for other, count in around.items():
                joint[self.index[word], self.index[other]] = count
        share = joint / joint.sum()
        chance = share.sum(axis=1, keepdims=True) * share.sum(axis=0, keepdims=True)
        information = np.log(np.where(share > 0, share, chance) / chance).clip(min=0)
        self.vectors = information / np.linalg.norm(information, axis=1, keepdims=True)

    def nearest(self, vector: np.ndarray, *, without: tuple[str, ...], top: int) -> list[str]:
        scores = self.vectors @ vector
        scores[[self.index[word] for word in without]] = -np.inf
        return [self.words[index] for index in np.argsort(-scores)[:top]]

    def similar(self, word: str, *, top: int) -> list[str]:
        return self.nearest(self.vectors[self.index[word]], without=(word,), top=top)

    def answer(self, a: str, b: str, c: str) -> str:
        first, second, third = (self.vectors[self.index[word]] for word in (a, b, c))
        return self.nearest(second - first + third, without=(a, b, c), top=1)[0]


@pytest.fixture(scope="module")
def association(contexts) -> Association:
    return Association(contexts)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        write_sample(tmp_path / name, seed=seed, sentences=500)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()


def test_more_sentences_begin_with_the_same_ones(tmp_path):
    write_sample(tmp_path / "few", sentences=50)
    write_sample(tmp_path / "many", sentences=100)
    assert (tmp_path / "many").read_bytes().startswith((tmp_path / "few").read_bytes())


def test_the_first_sentences_stay_as_they_are(tmp_path):
    """Known bytes: another Python or NumPy must not change what a seed gives."""
    write_sample(tmp_path / "sample", sentences=4)
    assert (tmp_path / "sample").read_text() == FIRST_SENTENCES


@pytest.mark.parametrize("sentences", [1, 2, 333])
def test_writes_as_many_sentences_as_asked(tmp_path, sentences):
    write_sample(tmp_path / "sample", sentences=sentences)
    text = (tmp_path / "sample").read_text()
    assert text.endswith("\n")
    assert len(text.splitlines()) == sentences


@pytest.mark.parametrize("sentences", [0, -1, 10**9])
def test_refuses_a_senseless_number_of_sentences(tmp_path, sentences):
    with pytest.raises(InputError, match=str(sentences)):
        write_sample(tmp_path / "sample", sentences=sentences)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"sample\.txt: the sample cannot be written: No such file"):
        write_sample(tmp_path / "nowhere" / "sample.txt", sentences=1)


def test_has_half_a_million_words(sentences, counts):
    assert len(sentences) == SAMPLE_SENTENCES
    assert 400_000 < counts.total() < 600_000
    assert 1_000 < len(counts) < 3_000
    assert min(counts.values()) >= 5  # a min-count of 5 drops nothing


def test_is_varied(sentences):
    assert len(set(map(tuple, sentences))) > len(sentences) * 0.4


def test_every_line_is_plain_lower_case_words(sentences):
    for words in sentences:
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", " ".join(words))


def test_every_tokenizer_cuts_it_alike(sentences):
    tokenizers = [Tokenizer(name) for name in ("words", "letters", "whitespace")]
    for words in sentences[:500]:
        for tokenizer in tokenizers:
            assert tokenizer.tokens(" ".join(words)) == words


def test_articles_agree_with_the_next_word(sentences):
    for words in sentences:
        for article, word in pairwise(words):
            if article in {"a", "an"}:
                assert (article == "an") == bool(re.match(r"[aeio]|hour|u(?!ni)", word)), (article, word)


def test_pronouns_agree_with_the_verb_to_be(sentences):
    allowed = {
        "am": {"i"},
        "are": {"you", "we", "they"},
        "is": {"he", "she", "someone", "everyone", "nobody"},
    }
    pronouns = set().union(*allowed.values())
    for words in sentences:
        for pronoun, verb in pairwise(words):
            if verb in allowed and pronoun in pronouns:
                assert pronoun in allowed[verb], " ".join(words)


def test_no_slot_is_unused_and_none_is_missing():
    used = set(re.findall(r"\{(\w+)\}", " ".join(chain.from_iterable(SHARED.values()))))
    for topic in TOPICS:
        texts = [*topic.templates, *chain.from_iterable(chain.from_iterable(map(dict.values, topic.records)))]
        slots = set(re.findall(r"\{(\w+)\}", " ".join(texts)))
        used |= slots
        for record in topic.records:
            assert slots <= set(record) | set(SHARED)
    assert set(SHARED) <= used


def test_truths_are_words_of_the_text(counts):
    for word in chain(*GROUPS.values(), *ANALOGIES):
        assert counts[word] >= 20, word


def test_there_are_a_hundred_analogies_with_the_books_among_them():
    assert len(set(ANALOGIES)) == len(ANALOGIES) >= 100
    assert set(BOOK_ANALOGIES) <= set(ANALOGIES)
    for analogy in ANALOGIES:
        assert len(set(analogy)) == 4


def test_words_of_a_pair_share_their_contexts(contexts):
    """king and queen stand beside the same rarer words: more so than king and a word of another pair."""
    common = {word for word, around in contexts.items() if around.total() > 20_000}

    def overlap(first: str, second: str) -> float:
        one, two = contexts[first], contexts[second]
        return sum(min(one[word] / one.total(), two[word] / two.total()) for word in set(one) - common)

    for section, analogies in ANALOGY_SECTIONS.items():
        closer = [overlap(a, b) > overlap(a, d) for a, b, c, d in analogies]
        assert np.mean(closer) > 0.95, section


def test_analogies_hold_by_counting_alone(association):
    right = {analogy: association.answer(*analogy[:3]) == analogy[3] for analogy in ANALOGIES}
    assert np.mean(list(right.values())) > 0.9
    assert all(right[analogy] for analogy in BOOK_ANALOGIES)


def test_words_of_a_group_are_neighbours_by_counting_alone(association):
    for name, group in GROUPS.items():
        top = min(5, len(group) - 1)
        shares = [len(group & set(association.similar(word, top=top))) / top for word in group]
        assert np.mean(shares) > 0.6, name


@pytest.mark.parametrize("query", BOOK_QUERIES, ids=lambda query: query.word)
def test_the_books_words_have_the_right_neighbours_by_counting_alone(association, query):
    assert len(query.expected & set(association.similar(query.word, top=5))) >= 3


@pytest.mark.parametrize(("start", "expected"), SENTENCE_STARTS.items(), ids=SENTENCE_STARTS)
def test_sentence_starts_go_on_as_said(sentences, start, expected):
    """Among the sentences that hold this beginning, the commonest next word is a sensible one."""
    words = tuple(start.split())
    following = Counter(
        sentence[position + len(words)]
        for sentence in sentences
        for position in range(len(sentence) - len(words))
        if sentence[position] == words[0] and tuple(sentence[position : position + len(words)]) == words
    )
    assert following.most_common(1)[0][0] in expected
    assert sum(following[word] for word in expected) > 0.5 * following.total()


def test_knows_its_own_words(counts):
    assert is_sample(counts)
    assert is_sample([*counts, "<eos>", "<unk>"])
    assert is_sample([*counts, "largest_city", "the_king"])  # phrases
    assert not is_sample([*counts, "largest_perplexity"])
    assert not is_sample([*counts, "perplexity"])
    assert not is_sample(["the", "king"])
    assert not is_sample([])


def test_a_smaller_sample_is_known_too(tmp_path):
    write_sample(tmp_path / "sample", seed=3, sentences=5_000)
    assert is_sample(set((tmp_path / "sample").read_text().split()))


def test_says_that_it_is_generated():
    assert "generated" in SAMPLE_NOTICE
    assert "no real corpus" in SAMPLE_NOTICE
    assert "\n" not in SAMPLE_NOTICE


def test_writes_its_analogies_in_googles_format(tmp_path):
    path = tmp_path / "analogies.txt"
    write_sample_analogies(path)
    lines = path.read_text().splitlines()
    assert lines[:2] == [": book", "king man queen woman"]
    asked = [tuple(line.split()) for line in lines if not line.startswith(":")]
    assert set(asked) == set(ANALOGIES)
    assert [line[2:] for line in lines if line.startswith(":")] == list(ANALOGY_SECTIONS)


def test_writes_its_groups_as_scored_pairs(tmp_path):
    path = tmp_path / "similarity.tsv"
    write_sample_similarity(path)
    kinds = {"10": 0, "0": 0}
    for line in path.read_text().splitlines():
        first, second, score = line.split("\t")
        together = any({first, second} <= group for group in GROUPS.values())
        assert together or score == "0"
        kinds[score] += 1
    assert kinds["10"] == kinds["0"] > 100


def test_a_grammar_draws_by_weight_and_fills_slots():
    topic = Topic(1.0, ("a {noun} and a {noun}",), ({"noun": ("egg", "hen")},))
    never = Topic(0.0, ("no",))
    grammar = Grammar((never, topic), {})
    assert grammar.sentence(lambda: 0.0) == "an egg and a hen"
    assert grammar.sentence(lambda: 0.999) == "a hen and an egg"
    assert grammar.vocabulary() == {"a", "an", "and", "egg", "hen", "no"}


FIRST_SENTENCES = """\
the orphan here is poorer than that one and has no shelter and no shoes
the meeting is on tuesday in room nineteen
some of the houses had a red roof
they picked bananas in the orchard
"""
