"""Phrases as the trainer finds and joins them, against a literal reading of what they are."""

import itertools
import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from artifact.canonical import encode_json
from artifact.errors import Corrupt, InputError, Unsupported
from artifact.phrases import Phrases, spell, write_line
from artifact.tokenizer import Tokenizer
from trainer.corpus import PhraseSettings, build_corpus, open_corpus, pairs
from trainer.corpus.phrases import join_phrases

WHITESPACE = Tokenizer("whitespace")


def neighbours(line, connectors):
    """The places of pairs of units: (from, to), with at most two connectors between."""
    at = [place for place, unit in enumerate(line) if unit is None or unit not in connectors]
    near = itertools.pairwise(at)
    return [(i, j) for i, j in near if j - i <= 3 and None not in (line[i], line[j])]


def score(kind, pair, first, last, words, min_count):
    if kind == "default":
        return (pair - min_count) * words / (first * last)
    if pair == words:
        return 1.0
    return math.log((pair / words) / ((first / words) * (last / words))) / -math.log(pair / words)


def join_line(line, chosen, connectors):
    done, taken = [], 0
    for i, j in [*neighbours(line, connectors), (len(line), None)]:
        if i < taken:
            continue
        if j is not None and tuple(line[i : j + 1]) in chosen:
            done += [*line[taken:i], spell(line[i : j + 1])]
            taken = j + 1
        else:
            done += line[taken : min(i + 1, len(line))]
            taken = i + 1
    return done


def find_by_hand(lines, options, min_count):
    """Lines of phrases.txt with their counts, and the joined lines, from lines of tokens."""
    counts = Counter(token for line in lines for token in line)
    lines = [[token if counts[token] >= min_count else None for token in line] for line in lines]
    found = []
    for number in range(1, options.passes + 1):
        counts = Counter(unit for line in lines for unit in line if unit is not None)
        words = sum(map(len, lines))
        seen = Counter(
            tuple(line[i : j + 1]) for line in lines for i, j in neighbours(line, options.connectors)
        )
        chosen = {
            units
            for units, pair in seen.items()
            if pair >= min_count
            and score(options.scoring, pair, counts[units[0]], counts[units[-1]], words, min_count)
            > options.least_score
        }
        while True:
            times = Counter()
            joined = []
            for line in lines:
                joined.append(join_line(line, chosen, options.connectors))
                times += Counter(
                    units for units in find_joined(line, chosen, options.connectors) if units in chosen
                )
            rare = {units for units in chosen if times[units] < min_count}
            if not rare:
                break
            chosen -= rare
        found += sorted(
            ((write_line(number, units), times[units]) for units in chosen), key=lambda each: -each[1]
        )
        lines = joined
    return found, lines


def find_joined(line, chosen, connectors):
    taken = 0
    for i, j in neighbours(line, connectors):
        if i >= taken and tuple(line[i : j + 1]) in chosen:
            yield tuple(line[i : j + 1])
            taken = j + 1


def build(folder, lines, min_count, phrases):
    (folder / "text").write_text("".join(f"{' '.join(line)}\n" for line in lines))
    return build_corpus(
        [str(folder / "text")],
        folder / "corpus",
        tokenizer=WHITESPACE,
        min_count=min_count,
        phrases=phrases,
        threads=1,
    )


def read(corpus):
    """The lines of a corpus as tokens, None where they are left out."""
    starts = corpus.line_starts.tolist()
    tokens = [None if each < 0 else corpus.tokens[each] for each in corpus.token_ids.tolist()]
    return [tokens[start:stop] for start, stop in itertools.pairwise(starts)]


def keep(lines, min_count):
    counts = Counter(unit for line in lines for unit in line)
    return [[unit if unit and counts[unit] >= min_count else None for unit in line] for line in lines]


TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "d", "of", "the", "a_b", "b_c"]), min_size=1, max_size=9),
    min_size=1,
    max_size=12,
)
SETTINGS = st.builds(
    PhraseSettings,
    passes=st.integers(1, 3),
    scoring=st.just("default"),
    threshold=st.sampled_from([0.2, 0.7, 1.5]),
    connectors=st.sampled_from([(), ("of", "the"), ("a_b",), ("nowhere",)]),
) | st.builds(
    PhraseSettings,
    passes=st.integers(1, 3),
    scoring=st.just("npmi"),
    threshold=st.sampled_from([-0.5, 0.1, 0.6]),
    connectors=st.sampled_from([(), ("of", "the")]),
)


def test_a_rare_word_spelled_like_a_phrase_is_left_out_of_training_and_means_the_phrase_in_a_question(
    tmp_path,
):
    lines = [["a", "b", "c"], ["a", "a", "b", "c", "b", "c", "b_c"]]
    corpus = build(tmp_path, lines, 3, PhraseSettings(passes=1, scoring="npmi", threshold=-0.5))
    assert read(corpus) == [["a", "b_c"], ["a", "a", "b_c", "b_c", None]]
    assert corpus.phrases.join(["a", "b_c"]) == ["a", "b_c"]


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    lines=[["a", "b", "c"], ["a", "a", "b", "c", "b", "c", "b_c"]],
    options=PhraseSettings(passes=1, scoring="npmi", threshold=-0.5, connectors=()),
    min_count=3,
    small=False,
)
@given(lines=TEXTS, options=SETTINGS, min_count=st.integers(1, 3), small=st.booleans())
def test_phrases_are_found_and_joined_as_said(tmp_path_factory, lines, options, min_count, small):
    tmp_path = tmp_path_factory.mktemp("phrases")
    with pytest.MonkeyPatch.context() as patch:
        if small:
            # The table grows, gets full, and puts pairs off to other sweeps; lines are pieces of their own.
            patch.setattr(pairs, "FIRST_SLOTS", 2)
            patch.setattr(pairs, "MOST_SLOTS", 4)
            patch.setattr(pairs, "PIECE_WORDS", 1)
        try:
            corpus = build(tmp_path, lines, min_count, options)
        except InputError as error:
            assert "2 are needed" in str(error)
            return
        expected, joined = find_by_hand(lines, options, min_count)
    assert dict(zip(corpus.phrases, corpus.phrases.counts.tolist(), strict=True)) == dict(expected)
    assert [count for _, count in expected] == corpus.phrases.counts.tolist()
    expected_lines = keep(joined, min_count)
    assert read(corpus) == expected_lines
    counts = Counter(unit for line in expected_lines for unit in line if unit is not None)
    assert list(corpus.tokens) == sorted(counts, key=lambda unit: (-counts[unit], unit))
    assert corpus.counts.tolist() == [counts[token] for token in corpus.tokens]
    # The server joins the same: it knows the phrases alone, not which words were rare.
    # A rare word that is spelled like a phrase is the one difference: training has left it out, a question means the phrase.
    spelled = {"_".join(line.split(" ")[1:]) for line, _ in expected}
    words = Counter(word for line in lines for word in line)
    if not any(words[word] < min_count for word in spelled & set(words)):
        served = [corpus.phrases.join(WHITESPACE.tokens(" ".join(line))) for line in lines]
        assert [[unit if unit in counts else None for unit in line] for line in served] == expected_lines
    assert corpus.report.words == len(corpus.token_ids)
    assert corpus.report.kept_words == sum(counts.values())
    corpus.phrases.check()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=TEXTS, others=TEXTS, options=SETTINGS)
def test_known_phrases_are_joined_in_another_text(tmp_path_factory, lines, others, options):
    tmp_path = tmp_path_factory.mktemp("phrases")
    try:
        known = build(tmp_path, lines, 1, options).phrases
        corpus = build(tmp_path, others, 1, known)
    except InputError as error:
        assert "2 are needed" in str(error)
        return
    assert read(corpus) == [known.join(line) for line in others]
    assert (corpus.phrases.joining, list(corpus.phrases)) == (known.joining, list(known))
    assert corpus.phrase_settings is None


COLLOCATIONS = ["new york", "new york city", "ice cream", "statue of liberty", "prime minister"]


def write_text(path, *, lines=4000, seed=0):
    """Collocations in random words; one of them also with an underscore."""
    random = np.random.default_rng(seed)
    words = np.array([f"w{number}" for number in range(200)] + ["of"] * 20 + ["new"] * 2)
    with path.open("w") as file:
        for _ in range(lines):
            said = COLLOCATIONS[random.integers(len(COLLOCATIONS))]
            before, after = (" ".join(random.choice(words, 4)) for _ in range(2))
            file.write(f"{before} {said} {after}\n")
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "text")


@pytest.mark.parametrize("scoring", ["default", "npmi"])
def test_collocations_are_found_and_nothing_else(text, tmp_path, scoring):
    options = PhraseSettings(
        passes=2, scoring=scoring, threshold=10 if scoring == "default" else None, connectors=("of",)
    )
    corpus = build_corpus([str(text)], tmp_path / "corpus", tokenizer=Tokenizer(), phrases=options)
    found = {"_".join(each.split(" ")[1:]) for each in corpus.phrases}
    assert found == {said.replace(" ", "_") for said in COLLOCATIONS}
    assert set(corpus.tokens) > found
    assert "york" not in corpus.tokens
    assert corpus.counts[list(corpus.tokens).index("ice_cream")] == text.read_text().count("ice cream")


def test_the_result_does_not_depend_on_the_room(text, tmp_path, monkeypatch):
    options = PhraseSettings(scoring="npmi", threshold=0.0)
    corpora = []
    for name in ("much", "little"):
        corpora.append(build_corpus([str(text)], tmp_path / name, tokenizer=Tokenizer(), phrases=options))
        monkeypatch.setattr(pairs, "MOST_SLOTS", pairs.FIRST_SLOTS)
        monkeypatch.setattr(pairs, "PIECE_WORDS", 5000)
    much, little = ({file.name: file.read_bytes() for file in each.path.iterdir()} for each in corpora)
    assert much == little
    assert len(corpora[0].phrases) > pairs.FIRST_SLOTS / 20


def test_progress_ends_with_all_words(text, tmp_path):
    told = []
    build_corpus(
        [str(text)],
        tmp_path / "corpus",
        tokenizer=Tokenizer(),
        phrases=PhraseSettings(passes=2),
        progress=lambda *each: told.append(each),
    )
    done = [done for stage, done, _ in told if stage == "phrases"]
    assert done == sorted(done)
    assert told[-1] == ("phrases", done[-1], done[-1])


def test_a_text_without_phrases(tmp_path):
    corpus = build(tmp_path, [["a", "b"], ["b", "c"], ["c", "a"]] * 5, 1, PhraseSettings())
    assert len(corpus.phrases) == 0
    assert corpus.phrases.join(["a", "b"]) == ["a", "b"]
    assert list(corpus.tokens) == ["a", "b", "c"]
    corpus.phrases.check()
    (tmp_path / "corpus/phrases.txt").write_text("x")
    change(tmp_path / "corpus", files={**description(tmp_path / "corpus")["files"], "phrases.txt": 1})
    with pytest.raises(Corrupt, match=r"phrases\.txt"):
        open_corpus(tmp_path / "corpus")


def test_nothing_but_one_phrase(tmp_path):
    with pytest.raises(InputError, match="1 different words and phrases are left"):
        build(tmp_path, [["a", "b"]] * 5, 1, PhraseSettings(threshold=0.1))
    assert not (tmp_path / "corpus").exists()


def test_a_phrase_is_never_longer_than_a_token(tmp_path):
    long = ["a" * 600, "b" * 600]
    corpus = build(tmp_path, [long, ["c", "d"]] * 50, 1, PhraseSettings(threshold=1.5))
    assert list(corpus.phrases) == ["1 c d"]


def test_connectors_are_spelled_by_the_tokenizer(tmp_path, text):
    options = PhraseSettings(connectors=("OF", "of", "and"))
    corpus = build_corpus([str(text)], tmp_path / "corpus", tokenizer=Tokenizer(), phrases=options)
    assert corpus.phrase_settings.connectors == ("of", "and")
    with pytest.raises(InputError, match=r"--phrase-connectors: 'o-f' is not a word"):
        build_corpus(
            [str(text)], tmp_path / "x", tokenizer=Tokenizer(), phrases=PhraseSettings(connectors=("o-f",))
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"passes": 0},
        {"passes": 9},
        {"scoring": "t-test"},
        {"threshold": 0.0},
        {"threshold": math.nan},
        {"threshold": math.inf},
        {"scoring": "npmi", "threshold": 1.0},
        {"scoring": "npmi", "threshold": math.nan},
        {"connectors": tuple("abcdefghijklmnop")},
        {"connectors": ("a", "a")},
        {"connectors": ("",)},
    ],
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(InputError, match="--phrase"):
        PhraseSettings(**wrong)


def description(folder):
    return json.loads((folder / "corpus.json").read_bytes())


def change(folder, **fields):
    (folder / "corpus.json").write_bytes(encode_json({**description(folder), **fields}))


@pytest.fixture
def folder(tmp_path):
    return build(tmp_path, [["a", "b", "c"], ["c", "d", "d"]] * 9, 1, PhraseSettings(threshold=1.0)).path


def test_a_folder_with_phrases_is_opened_as_it_was_built(folder):
    corpus = open_corpus(folder)
    assert corpus.phrase_settings == PhraseSettings(threshold=1.0)
    assert next(iter(corpus.phrases)) == "1 a b"
    assert isinstance(corpus.phrases, Phrases)


@pytest.mark.parametrize("name", ["phrases.txt", "phrases.safetensors"])
def test_damaged_folders_are_named(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Corrupt, match=name):
        open_corpus(folder)
    change(folder, files={**description(folder)["files"], name: path.stat().st_size})
    with pytest.raises(Corrupt, match=r"phrases|vocabulary index"):
        open_corpus(folder)
    path.unlink()
    with pytest.raises(Corrupt, match=f"{name}: No such file"):
        open_corpus(folder)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({}, Corrupt),
        ({"joining": {"version": 2, "passes": 2, "connectors": []}, "settings": None}, Unsupported),
        ({"joining": {"version": 1, "passes": 2, "connectors": []}, "settings": {}}, Corrupt),
        ([], Corrupt),
        (None, Corrupt),
    ],
)
def test_descriptions_of_phrases_that_are_none(folder, value, error):
    change(folder, phrases=value)
    with pytest.raises(error):
        open_corpus(folder)


def test_replacing_a_folder_with_phrases_by_one_without(folder, tmp_path):
    build(tmp_path, [["a", "b"]], 1, None)
    assert not (folder / "phrases.txt").exists()
    assert open_corpus(folder).phrases is None


def test_finding_twice_gives_the_same(folder, tmp_path, text):
    first, second = (
        build_corpus(
            [str(text)], tmp_path / name, tokenizer=Tokenizer(), phrases=PhraseSettings(threshold=10)
        )
        for name in ("first", "second")
    )
    assert list(first.phrases) == list(second.phrases)
    # Joined once more, there is nothing left to join.
    report = join_phrases(
        second.path,
        phrases=PhraseSettings(threshold=1e9),
        min_count=5,
        report=second.report,
        tell=lambda _: None,
    )
    assert report == second.report
