"""Word vectors: wordkin, gensim and fastText in turn on the same text, options and threads; speed, memory and quality.

    python bench/words.py --text enwiki.txt --eval evaluation-sets/ [--model skipgram] [--recipe best] [--repeats 5]

Every run is a process of its own, the systems alternate, and the table gives medians. Seconds are training alone: no
counting, compiling or saving (fastText's include counting: it cannot be asked to keep them apart). Words are raw: every
token of the text, times epochs. All three read the same tokens, and all vectors are judged by the same code.
The folder given with --eval holds questions-words.txt, wordsim353.tsv and simlex999.txt; what is missing is left out.
A recipe changes our settings alone.

    python bench/words.py --text enwiki.txt --eval evaluation-sets/ --device gpu --systems wordkin wordkin-cpu

stands our engine for GPUs beside the one for CPUs, and what others have published of theirs below. --device is of `wordkin` alone.
bench/gpu.py measures it on texts that keep a GPU busy for seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

COMMAND = [sys.executable, "-m", "trainer"]
GENSIM_RATES = {"cbow": 0.05, "skipgram": 0.025}
SIMILARITY_SETS = ("wordsim353.tsv", "simlex999.txt")
PUBLISHED = (
    ("CBOW in Numba-CUDA, D=300, one T4 or A100", 5.2),
    ("BlazingText, CBOW, D=100, eight K80 (Gupta and Khare 2017)", 42.5),
)
"""What others say of GPUs, in M words/s."""


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="words-") as name:
        folder = Path(name)
        corpus, text = prepare(options, folder)
        runs: dict[str, list[dict[str, Any]]] = {system: [] for system in options.systems}
        for repeat in range(options.repeats):
            for system in options.systems:
                seed = 1 + repeat % options.seeds
                source = corpus if system.startswith("wordkin") else text
                result = RUNS[system](options, source, folder, seed)
                result |= judge(result.pop("embedding"), options.eval)
                runs[system].append(result)
                print(json.dumps({"system": system, "repeat": repeat, "seed": seed, **result}), flush=True)
    print_table(runs, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--eval", type=Path, help="folder of evaluation sets")
    parser.add_argument("--systems", nargs="+", choices=RUNS, default=["wordkin", "gensim", "fasttext"])
    parser.add_argument("--model", choices=("cbow", "skipgram"), default="cbow")
    parser.add_argument(
        "--loss", choices=("negative-sampling", "hierarchical-softmax"), default="negative-sampling"
    )
    parser.add_argument("--subwords", help="such as 3-6; gensim is left out then")
    parser.add_argument("--tokenizer", default="letters")
    parser.add_argument("--min-count", type=int, default=5)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--negatives", type=int, default=5)
    parser.add_argument("--shared-negatives", type=int, help="of ours")
    parser.add_argument("--subsample", type=float, default=1e-3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--gensim-rate", type=float, help="gensim's learning rate (default: .05 CBOW, .025 skip-gram)"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3, help="repeats take these many seeds in turn")
    parser.add_argument("--recipe", help="of ours, in place of these settings")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="of wordkin")
    options = parser.parse_args()
    if options.subwords:
        options.systems = [system for system in options.systems if system != "gensim"]
    return options


def prepare(options: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    """A corpus folder for us, and the same tokens as text, a line a line, for the others."""
    from artifact.tokenizer import Tokenizer

    corpus, text = folder / "corpus", folder / "tokens.txt"
    tokenizer = Tokenizer(options.tokenizer)
    with options.text.open(encoding="utf-8") as lines, text.open("w", encoding="utf-8") as out:
        for line in lines:
            if words := tokenizer.tokens(line):
                out.write(" ".join(words) + "\n")
    run_command(
        "corpus",
        options.text,
        "--output",
        corpus,
        "--tokenizer",
        options.tokenizer,
        "--min-count",
        options.min_count,
    )
    return corpus, text


def run_command(*arguments: object) -> dict[str, Any]:
    """Our command line; the last line that it prints."""
    command = [*COMMAND, *map(str, arguments), "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_wordkin(
    options: argparse.Namespace, corpus: Path, folder: Path, seed: int, *, device: str | None = None
) -> dict[str, Any]:
    from artifact.store import Store

    shared = [
        "--name",
        "bench",
        "--store",
        folder / "store",
        "--device",
        device or options.device,
        "--threads",
        options.threads,
    ]
    settings = ["--recipe", options.recipe] if options.recipe else []
    if not options.recipe:
        names = ("dim", "window", "subsample", "epochs", "loss")
        settings = [part for name in names for part in (f"--{name}", getattr(options, name))]
        if options.loss == "negative-sampling":
            settings += ["--negatives", options.negatives]
        if options.subwords:
            settings += ["--subwords", options.subwords]
        if options.shared_negatives:
            settings += ["--shared-negatives", options.shared_negatives]
    started = time.perf_counter()
    said = run_command("train", options.model, corpus, *shared, *settings, "--seed", seed)
    whole = time.perf_counter() - started
    embedding = Store(folder / "store").open("bench", said["version"]).embedding()
    return {
        "seconds": said["seconds"],
        "words_per_second": said["words_per_second"],
        "whole_seconds": whole,
        "peak_mib": said["peak_rss_bytes"] / 2**20,
        "loss": said["loss"],
        "embedding": embedding,
    }


def run_other(
    system: str, options: argparse.Namespace, text: Path, folder: Path, seed: int
) -> dict[str, Any]:
    """gensim or fastText in a process of its own (this file, as a worker); it leaves tokens and vectors behind."""
    from artifact.embedding import Embedding
    from artifact.tokenizer import Tokenizer
    from artifact.vocabulary import Vocabulary

    values = {name: value for name, value in vars(options).items() if not isinstance(value, Path)}
    task = json.dumps(values | {"system": system, "text": str(text), "folder": str(folder), "seed": seed})
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--worker", task], check=True, stdout=subprocess.PIPE, text=True
    )
    whole = time.perf_counter() - started
    said = json.loads(done.stdout.splitlines()[-1])
    tokens = (folder / f"{system}.tokens").read_text(encoding="utf-8").split("\n")
    vocabulary = Vocabulary.from_tokens(tokens, np.arange(len(tokens), 0, -1))
    vectors = np.load(folder / f"{system}.npy")
    embedding = Embedding.from_arrays(
        vectors=vectors, vocabulary=vocabulary, tokenizer=Tokenizer(options.tokenizer)
    )
    return {**said, "whole_seconds": whole, "embedding": embedding}


def work(task: dict[str, Any]) -> None:
    """The worker: train, save tokens and vectors, print one line."""
    tokens, vectors, seconds, words = (train_gensim if task["system"] == "gensim" else train_fasttext)(task)
    folder = Path(task["folder"])
    (folder / f"{task['system']}.tokens").write_text("\n".join(tokens), encoding="utf-8")
    np.save(folder / f"{task['system']}.npy", vectors)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "words_per_second": words / seconds, "peak_mib": peak}))


def train_gensim(task: dict[str, Any]) -> tuple[list[str], Any, float, int]:
    from gensim.models import Word2Vec

    hierarchical = task["loss"] == "hierarchical-softmax"
    model = Word2Vec(
        vector_size=task["dim"],
        window=task["window"],
        min_count=task["min_count"],
        workers=task["threads"],
        sg=int(task["model"] == "skipgram"),
        hs=int(hierarchical),
        negative=0 if hierarchical else task["negatives"],
        sample=task["subsample"],
        alpha=task["gensim_rate"] or GENSIM_RATES[task["model"]],
        epochs=task["epochs"],
        seed=task["seed"],
    )
    model.build_vocab(corpus_file=task["text"])
    started = time.perf_counter()
    model.train(
        corpus_file=task["text"],
        total_words=model.corpus_total_words,
        total_examples=model.corpus_count,
        epochs=task["epochs"],
    )
    seconds = time.perf_counter() - started
    return model.wv.index_to_key, model.wv.vectors, seconds, model.corpus_total_words * task["epochs"]


def train_fasttext(task: dict[str, Any]) -> tuple[list[str], Any, float, int]:
    import fasttext

    shortest, longest = map(int, task["subwords"].split("-")) if task["subwords"] else (0, 0)
    started = time.perf_counter()
    model = fasttext.train_unsupervised(
        input=task["text"],
        model=task["model"],
        dim=task["dim"],
        ws=task["window"],
        minCount=task["min_count"],
        neg=task["negatives"],
        loss="hs" if task["loss"] == "hierarchical-softmax" else "ns",
        t=task["subsample"],
        minn=shortest,
        maxn=longest,
        epoch=task["epochs"],
        thread=task["threads"],
        lr=0.05,
        verbose=0,
    )
    seconds = time.perf_counter() - started
    tokens = model.get_words()
    vectors = np.array([model.get_word_vector(token) for token in tokens], np.float32)
    with Path(task["text"]).open(encoding="utf-8") as lines:
        words = sum(len(line.split()) for line in lines)
    return tokens, vectors, seconds, words * task["epochs"]


def judge(embedding: Any, folder: Path | None) -> dict[str, Any]:
    """Scores and coverage on the sets in `folder`."""
    from trainer.evaluate.analogies import evaluate_analogies, read_questions
    from trainer.evaluate.similarity import evaluate_similarity, read_pairs

    scores: dict[str, Any] = {}
    if folder is None:
        return scores
    for name in SIMILARITY_SETS:
        if (folder / name).exists():
            found = evaluate_similarity(embedding, read_pairs(folder / name)).to_json()
            scores[Path(name).stem] = found["spearman"]
            scores[f"{Path(name).stem}_covered"] = f"{found['covered']}/{found['asked']}"
    if (folder / "questions-words.txt").exists():
        questions = read_questions(folder / "questions-words.txt")
        found = evaluate_analogies(embedding, questions, restrict_vocab=30_000).to_json()
        scores["analogies"] = found["accuracy"]
        scores["analogies_covered"] = f"{found['covered']}/{found['asked']}"
    return scores


def print_table(runs: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> None:
    """Medians (means of scores) over the repeats, and our ratio to each of the others."""
    speeds = {
        system: statistics.median(run["words_per_second"] for run in found) for system, found in runs.items()
    }
    scored = [key for key in runs[options.systems[0]][0] if f"{key}_covered" in runs[options.systems[0]][0]]
    head = ["", "M words/s", "seconds", "whole s", "peak MiB", *scored]
    rows = []
    for system, found in runs.items():
        middle = {
            key: statistics.median(run[key] for run in found)
            for key in ("seconds", "whole_seconds", "peak_mib")
        }
        row = [
            system,
            f"{speeds[system] / 1e6:.2f}",
            f"{middle['seconds']:.2f}",
            f"{middle['whole_seconds']:.1f}",
        ]
        row.append(f"{middle['peak_mib']:.0f}")
        for key in scored:
            values = [run[key] for run in found]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            row.append(f"{statistics.mean(values):.3f} ± {spread:.3f} ({found[0][f'{key}_covered']})")
        rows.append(row)
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    if options.device == "gpu":
        print("published by others: " + "; ".join(f"{what}: {speed} M words/s" for what, speed in PUBLISHED))
    if "wordkin" in runs:
        for system in runs:
            if system != "wordkin":
                taken = [
                    statistics.median(run["seconds"] for run in runs[each]) for each in (system, "wordkin")
                ]
                print(
                    f"wordkin / {system}: {speeds['wordkin'] / speeds[system]:.2f}x words/s, 1/{taken[0] / taken[1]:.1f} of the time"
                )


RUNS = {
    "wordkin": run_wordkin,
    "wordkin-cpu": lambda *rest: run_wordkin(*rest, device="cpu"),
    "gensim": lambda *rest: run_other("gensim", *rest),
    "fasttext": lambda *rest: run_other("fasttext", *rest),
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(json.loads(sys.argv[2]))
    else:
        main()
