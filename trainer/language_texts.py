"""The texts of a language model: what it is trained on, what it is validated on, and what it is tested on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from artifact.errors import InputError
from trainer.checkpoint import identify_corpus
from trainer.console import Console
from trainer.corpus import Corpus
from trainer.language_batches import Stream, Words, extend_vocabulary, read_stream
from trainer.language_setup import LanguageSetup
from trainer.options import Arguments
from trainer.texts import make_corpus, read_corpus

HELD_OUT = 0.05
"""The share of lines, the last ones, that is held out for validation where no text is given for it."""


@dataclass(frozen=True)
class LanguageTexts:
    """The texts as ids of one vocabulary."""

    corpus: Corpus
    words: Words
    train: Stream
    valid: Stream
    test: Stream | None
    identity: str
    """A sha256 that tells the texts that training reads apart."""


def read_language_texts(
    arguments: Arguments, setup: LanguageSetup, *, scratch: Path, console: Console
) -> LanguageTexts:
    """Read what ``--valid`` and ``--test`` name as well; the last lines of the text where no validation text is named.

    Raises InputError for a text that cannot be divided, and for one without any known word.
    """
    corpus = read_corpus(
        arguments["text"],
        arguments=arguments,
        tokenizer=setup.tokenizer,
        min_count=setup.min_count,
        output=scratch / "train",
        console=console,
    )
    if corpus.phrases is not None:
        raise InputError(
            f"{corpus.path} was made with --phrases; a language model reads words, and needs a corpus without"
        )
    lines = len(corpus.line_starts) - 1
    last = lines
    identity = [identify_corpus(corpus)]
    make_valid: Callable[[Words], Stream]
    if arguments["valid"]:
        valid_corpus = _read_other(arguments, corpus, name="valid", scratch=scratch, console=console)
        identity.append(identify_corpus(valid_corpus))

        def make_valid(words: Words) -> Stream:
            return _read(valid_corpus, words, f"--valid {arguments['valid']}", console)

    else:
        if lines < 2:
            raise InputError("the text has one line, so that none can be held out: give --valid FILE")
        last = lines - max(1, round(HELD_OUT * lines))

        def make_valid(words: Words) -> Stream:
            return read_stream(corpus, words, first=last)

    words = extend_vocabulary(corpus, last=last)
    test = None
    if arguments["test"]:
        test_corpus = _read_other(arguments, corpus, name="test", scratch=scratch, console=console)
        test = _read(test_corpus, words, f"--test {arguments['test']}", console)
    return LanguageTexts(
        corpus=corpus,
        words=words,
        train=read_stream(corpus, words, last=last),
        valid=make_valid(words),
        test=test,
        identity=hashlib.sha256("\n".join(identity).encode()).hexdigest(),
    )


def _read_other(
    arguments: Arguments, corpus: Corpus, *, name: str, scratch: Path, console: Console
) -> Corpus:
    """Another text, every word of it, as the training text was tokenized."""
    return make_corpus(
        [arguments[name]],
        scratch / name,
        tokenizer=corpus.tokenizer.name,
        min_count=1,
        threads=arguments["threads"],
        console=console,
    )


def _read(corpus: Corpus, words: Words, what: str, console: Console) -> Stream:
    try:
        stream = read_stream(corpus, words)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    if stream.left_out:
        console.note(
            f"{what}: {stream.left_out:,} of {corpus.report.words:,} words are not in the vocabulary and are left out; "
            "a training text in which rare words are <unk> (--min-count 2 makes one) would count them"
        )
    return stream
