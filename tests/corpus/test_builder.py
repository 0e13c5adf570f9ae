import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from corpus.reference import expected

from artifact.errors import InputError, WordkinError
from artifact.tokenizer import TOKENIZER_NAMES, Tokenizer
from trainer.corpus import build_corpus, is_corpus, open_corpus
from trainer.corpus import counting as counting_module

WHITESPACE = Tokenizer("whitespace")
WORDS = Tokenizer("words")


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("b a a\n\nc a b rare\n")
    return path


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_small_corpus(tmp_path, text):
    corpus = build_corpus([str(text)], tmp_path / "out", tokenizer=WHITESPACE, min_count=2)
    assert list(corpus.tokens) == ["a", "b"]
    assert corpus.tokens[0] == "a"
    assert len(corpus.tokens) == 2
    assert corpus.counts.tolist() == [3, 2]
    assert corpus.token_ids.tolist() == [1, 0, 0, -1, 0, 1, -1]
    assert corpus.line_starts.tolist() == [0, 3, 7]
    assert (corpus.token_ids.dtype, corpus.line_starts.dtype, corpus.counts.dtype) == (
        np.int32,
        np.int64,
        np.int64,
    )
    assert not corpus.token_ids.flags.writeable
    assert (corpus.tokenizer, corpus.min_count, corpus.path) == (WHITESPACE, 2, tmp_path / "out")
    report = corpus.report
    assert (report.words, report.lines, report.types, report.kept_words, report.kept_types) == (7, 2, 4, 5, 2)
    assert (report.files, report.bytes) == (1, text.stat().st_size)
    assert report.oddities() == []
    assert entries(tmp_path / "out") == [
        "corpus.json",
        "counts.i64",
        "ids.i32",
        "lines.i64",
        "vocabulary.txt",
    ]
    assert entries(tmp_path) == ["out", "text.txt"]
    assert is_corpus(tmp_path / "out")


def test_files_lines_do_not_run_together(tmp_path):
    (tmp_path / "1.txt").write_text("a b")
    (tmp_path / "2.txt").write_text("b a")
    corpus = build_corpus([str(tmp_path / "?.txt")], tmp_path / "out", tokenizer=WHITESPACE, min_count=1)
    assert corpus.token_ids.tolist() == [0, 1, 1, 0]
    assert corpus.line_starts.tolist() == [0, 2, 4]
    assert corpus.report.files == 2


@pytest.mark.parametrize("name", TOKENIZER_NAMES)
def test_output_does_not_depend_on_threads(tmp_path, name, monkeypatch):
    rng = np.random.default_rng(3)
    lines = [" ".join(f"Wörd{n} x{n}’s" for n in rng.zipf(1.3, size=20) % 3000) for _ in range(2000)]
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("\n".join(lines[number::4]))
    monkeypatch.setattr(
        counting_module.Counting.__init__, "__kwdefaults__", {"piece_bytes": 5000, "line_bytes": 300}
    )
    built = []
    for threads in (1, 2, 5):
        output = tmp_path / f"out-{threads}"
        build_corpus([str(tmp_path / "?.txt")], output, tokenizer=Tokenizer(name), threads=threads)
        built.append({path.name: path.read_bytes() for path in output.iterdir()})
    assert built[0] == built[1] == built[2]
    contents = [(tmp_path / f"{number}.txt").read_bytes() for number in range(4)]
    wanted = expected(contents, Tokenizer(name), 5, 300)
    corpus = open_corpus(tmp_path / "out-2")
    assert list(corpus.tokens) == wanted["tokens"]
    assert corpus.token_ids.tolist() == wanted["ids"]
    assert corpus.report.cut_lines == wanted["cuts"] > 0


def test_oddities_are_reported(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "odd.txt").write_bytes(
        b"words\xff of\0text words of " + b"x" * 1001 + b" text\n" + b"y " * 600_000
    )
    (folder / "picture").write_bytes(b"\x89PNG" + bytes(5000))
    corpus = build_corpus([str(folder)], tmp_path / "out", tokenizer=WORDS, min_count=1)
    report = corpus.report
    assert (report.invalid_utf8, report.nuls, report.cut_lines, report.long_words) == (1, 1, 1, 1)
    assert (report.files, report.skipped_files) == (1, 1)
    assert list(corpus.tokens) == ["y", "of", "text", "words"]
    assert np.diff(corpus.line_starts).tolist() == [6, 524_288, 600_000 - 524_288]
    assert [line.split(": ")[1] for line in report.oddities()] == ["1"] * 5


def test_standard_input(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a b a b\n")))
    progress = []
    corpus = build_corpus(
        ["-"], tmp_path / "out", tokenizer=WORDS, min_count=2, progress=lambda *step: progress.append(step)
    )
    assert list(corpus.tokens) == ["a", "b"]
    assert progress[-1] == ("encode", 4, 4)
    assert ("count", 8, None) in progress


def test_progress_ends_at_the_total(tmp_path, text):
    progress = []
    build_corpus(
        [str(text)] * 3,
        tmp_path / "out",
        tokenizer=WORDS,
        min_count=1,
        progress=lambda *step: progress.append(step),
    )
    size = 3 * text.stat().st_size
    assert [step for step in progress if step[0] == "count"][-1] == ("count", size, size)
    assert progress[-1] == ("encode", 21, 21)


@pytest.mark.parametrize(
    ("content", "min_count", "message"),
    [
        (b"", 1, r"text\.txt: no words in 0 bytes of text"),
        (b" \n\n\t...\n", 1, r"text\.txt: no words in 8 bytes of text"),
        (
            b"one one one",
            1,
            r"1 of 1 different words \(in 3 words\) occur at least 1 times, and 2 are needed",
        ),
        (b"a b c c", 2, r"1 of 3 different words \(in 4 words\) occur at least 2 times"),
        (b"a b c c", 10**30, "0 of 3 different words"),
    ],
)
def test_too_little_text(tmp_path, content, min_count, message):
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        build_corpus([str(tmp_path / "text.txt")], tmp_path / "out", tokenizer=WORDS, min_count=min_count)
    assert entries(tmp_path) == ["text.txt"]


def test_a_folder_without_text_is_named(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "picture").write_bytes(b"\x89PNG" + bytes(5000))
    with pytest.raises(InputError, match=r"picture, 1 of them skipped as not text: no words"):
        build_corpus([str(tmp_path / "texts")], tmp_path / "out", tokenizer=WORDS)


@pytest.mark.parametrize("option", [{"min_count": 0}, {"min_count": -5}, {"threads": 0}])
def test_options_out_of_range(tmp_path, text, option):
    with pytest.raises(InputError, match="must be 1 or more"):
        build_corpus([str(text)], tmp_path / "out", tokenizer=WORDS, **option)


def test_a_corpus_is_replaced_when_the_new_one_is_complete(tmp_path, text):
    output = tmp_path / "out"
    build_corpus([str(text)], output, tokenizer=WORDS, min_count=1)
    with pytest.raises(InputError, match="0 of 4"):
        build_corpus([str(text)], output, tokenizer=WORDS, min_count=100)
    assert list(open_corpus(output).tokens) == ["a", "b", "c", "rare"]
    build_corpus([str(text)], output, tokenizer=WORDS, min_count=2)
    assert list(open_corpus(output).tokens) == ["a", "b"]
    assert entries(tmp_path) == ["out", "text.txt"]


def test_other_things_are_never_replaced(tmp_path, text):
    def refuse(output, message):
        with pytest.raises(InputError, match=message):
            build_corpus([str(text)], output, tokenizer=WORDS, min_count=1)

    refuse(text, "a file is there")
    refuse(tmp_path, r"other things in it \(text\.txt\)")
    refuse(text / "below", "Not a directory|a file is there|File exists")
    corpus = tmp_path / "out"
    build_corpus([str(text)], corpus, tokenizer=WORDS, min_count=1)
    (corpus / "notes.txt").write_text("mine")
    refuse(corpus, r"notes\.txt")
    assert (corpus / "notes.txt").read_text() == "mine"
    refuse(Path("a\0b"), "null")
    assert entries(tmp_path) == ["out", "text.txt"]


def test_missing_parents_and_an_empty_folder_are_fine(tmp_path, text):
    build_corpus([str(text)], tmp_path / "new" / "deep" / "out", tokenizer=WORDS, min_count=1)
    (tmp_path / "empty").mkdir()
    build_corpus([str(text)], tmp_path / "empty", tokenizer=WORDS, min_count=1)
    assert is_corpus(tmp_path / "empty")


@pytest.mark.parametrize("after", [0, 1, 2, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_full_disk_leaves_nothing(tmp_path, text, monkeypatch, after, threads):
    real, calls = counting_module.write_all, []

    def fill(file, numbers):
        calls.append(None)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, numbers)

    monkeypatch.setattr(counting_module, "write_all", fill)
    monkeypatch.setattr("trainer.corpus.encoding.write_all", fill)
    output = tmp_path / "out"
    with pytest.raises(InputError, match=rf"cannot write a corpus to {output}: No space left on device"):
        build_corpus([str(text)], output, tokenizer=WORDS, min_count=1, threads=threads)
    assert entries(tmp_path) == ["text.txt"]


def test_an_interrupt_leaves_nothing(tmp_path, text):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_corpus(
            [str(text)], tmp_path / "out", tokenizer=WORDS, min_count=1, threads=2, progress=interrupt
        )
    assert entries(tmp_path) == ["text.txt"]


def test_every_mistake_is_one_line(tmp_path, text):
    for source in ("missing", str(tmp_path / "new\nline"), "\udcff", "*\n*"):
        with pytest.raises(WordkinError) as caught:
            build_corpus([source], tmp_path / "out", tokenizer=WORDS)
        assert "\n" not in str(caught.value)
        str(caught.value).encode("utf-8")


def test_nothing_is_compiled_before_a_corpus_is_built():
    code = "import sys, trainer.corpus; sys.exit('numba' in sys.modules or 'zstandard' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
