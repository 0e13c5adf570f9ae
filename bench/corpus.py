"""How fast a text becomes a corpus: ours on one and more threads, Python's split and Counter, and gensim's counting.

    python bench/corpus.py TEXT [--tokenizer letters] [--threads 1 2] [--repeat 3] [--scratch DIR]
    python bench/corpus.py TEXT --memory 1 [--scratch DIR]

The first prints words/s, the best of some runs. "count" is everything up to the last word of the text; "encode" is the
rest: ranking, encoding, writing, fsync. Python and gensim get the text as the tokenizer leaves it, with spaces between
the words, so they need not tokenize; ours starts from the raw text. The second prints the peak memory for a text of so
many GB, made by repeating TEXT: as it is, and as a single line.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from artifact.tokenizer import TOKENIZER_NAMES, Tokenizer
from trainer.corpus import build_corpus

MIN_COUNT = 5


def clock():
    """Seconds on the wall, and of processors at work: the second says more where others use them too."""
    return time.perf_counter(), time.process_time()


def measure_ours(text, tokenizer, threads, scratch):
    """The clock before, after counting, and at the end; and the corpus."""
    last = {}
    start = clock()
    corpus = build_corpus(
        [str(text)],
        scratch / "corpus",
        tokenizer=tokenizer,
        min_count=MIN_COUNT,
        threads=threads,
        progress=lambda stage, *_: last.__setitem__(stage, clock()),
    )
    return start, last["count"], clock(), corpus


def measure_python(plain, scratch):
    """The same work with a Counter and a dict."""
    start = clock()
    with plain.open(encoding="utf-8") as file:
        counts = Counter()
        for line in file:
            counts.update(line.split())
    counted = clock()
    kept = sorted(
        (word for word in counts if counts[word] >= MIN_COUNT), key=lambda word: (-counts[word], word)
    )
    ids = {word: token_id for token_id, word in enumerate(kept)}
    with plain.open(encoding="utf-8") as file, (scratch / "ids").open("wb") as out:
        for line in file:
            out.write(array("i", [ids.get(word, -1) for word in line.split()]))
    return start, counted, clock()


def measure_gensim(plain):
    """gensim's vocabulary scan of a file; it encodes while training."""
    from gensim.models.word2vec import Word2Vec

    start = clock()
    Word2Vec(min_count=MIN_COUNT, vector_size=1).build_vocab(corpus_file=str(plain))
    return start, clock()


def write_plain(tokenizer, text, plain):
    """The text's words with spaces between them, line by line; gensim reads no other."""
    with (
        text.open(encoding="utf-8", errors="replace", newline="\n") as file,
        plain.open("w", encoding="utf-8") as out,
    ):
        for line in file:
            if tokens := tokenizer.tokens(line):
                out.write(" ".join(tokens) + "\n")


def compare(text, tokenizer, thread_counts, repeat, scratch):
    start = time.perf_counter()
    (scratch / "tiny").write_text("a b a b")
    build_corpus([str(scratch / "tiny")], scratch / "corpus", tokenizer=tokenizer, min_count=1)
    print(f"loading (and, the first time, compiling): {time.perf_counter() - start:.2f} s, not counted below")
    rows = {}
    for threads in thread_counts:
        runs = [measure_ours(text, tokenizer, threads, scratch) for _ in range(repeat)]
        corpus = runs[0][3]
        rows[f"wordkin, {threads} threads"] = runs
    print(
        f"{text.name}, {tokenizer.name}: {corpus.report.words:,} words, {corpus.report.types:,} different ones"
    )
    for oddity in corpus.report.oddities():
        print(f"  {oddity}")
    plain = scratch / "plain.txt"
    write_plain(tokenizer, text, plain)
    rows["Python, split and Counter"] = [measure_python(plain, scratch) for _ in range(repeat)]
    rows["gensim, build_vocab"] = [measure_gensim(plain) for _ in range(repeat)]
    show(rows, corpus.report.words)


def show(rows, words):
    """M words/s on the wall and for each second of a processor, and how much that is of gensim's."""
    print(f"{'':27}{'count':>21}{'encode':>21}{'count, x gensim':>24}")
    print(f"{'M words a second of':27}" + f"{'the wall':>11}{'one CPU':>10}" * 3)
    fastest = {}
    for name, runs in rows.items():
        stages = range(min(2, len(runs[0]) - 1))
        fastest[name] = [min(run[i + 1][c] - run[i][c] for run in runs) for i in stages for c in (0, 1)]
    gensim = fastest["gensim, build_vocab"]
    for name, seconds in fastest.items():
        rates = [words / second / 1e6 for second in seconds] + [float("nan")] * (4 - len(seconds))
        ratios = [gensim[c] / seconds[c] for c in (0, 1)]
        print(
            f"{name:27}" + "".join(f"{one:11.2f}{two:10.2f}" for one, two in (rates[:2], rates[2:], ratios))
        )


def measure_memory(text, tokenizer, gigabytes, threads, scratch):
    content = text.read_bytes()
    for name, piece in (("as it is", content), ("as a single line", content.replace(b"\n", b" "))):
        large = scratch / "large.txt"
        with large.open("wb") as file:
            while file.tell() < gigabytes * 1e9:
                file.write(piece)
        code = (
            "import resource, sys; from pathlib import Path; from artifact.tokenizer import Tokenizer;"
            "from trainer.corpus import build_corpus;"
            "report = build_corpus([sys.argv[1]], Path(sys.argv[2]), tokenizer=Tokenizer(sys.argv[3]), threads=int(sys.argv[4])).report;"
            "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
            "print(f'{report.words:,} words, {report.types:,} different, {report.cut_lines} cuts, peak memory {peak / 1e3:.0f} MB')"
        )
        command = [
            sys.executable,
            "-c",
            code,
            str(large),
            str(scratch / "corpus"),
            tokenizer.name,
            str(threads),
        ]
        size = large.stat().st_size
        start = time.perf_counter()
        result = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        print(f"{size / 1e9:.2f} GB {name}: {result.stdout.strip()}, {time.perf_counter() - start:.1f} s")
        large.unlink()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path, metavar="TEXT")
    parser.add_argument("--tokenizer", choices=TOKENIZER_NAMES, default="letters")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", type=float, metavar="GB")
    parser.add_argument("--scratch", type=Path, help="a folder for what is written; removed afterwards")
    options = parser.parse_args()
    tokenizer = Tokenizer(options.tokenizer)
    if options.scratch is not None:
        Path(options.scratch).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        if options.memory:
            measure_memory(options.text, tokenizer, options.memory, max(options.threads), Path(folder))
        else:
            compare(options.text, tokenizer, options.threads, options.repeat, Path(folder))


if __name__ == "__main__":
    main()
