"""``import``: word vectors that others made become a version in a store."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from artifact.remote import open_store
from trainer.commands.command import NEIGHBOURS, NEIGHBOURS_DEVICE, STORE, Command
from trainer.console import Console, format_seconds
from trainer.options import Arguments, Option

FORMATS = (
    "word2vec-binary",
    "word2vec-text",
    "glove-text",
    "fasttext-vec",
    "fasttext-bin",
    "model2vec",
    "keyed-vectors",
)


def run(arguments: Arguments, console: Console) -> int:
    from trainer.importing import Import, import_vectors
    from trainer.progress import show_progress

    store = open_store(arguments["store"], create=True)
    asked = Import(
        path=Path(arguments["file"]),
        name=arguments["name"],
        format=arguments["format"],
        tokenizer=arguments["tokenizer"],
        dtype=arguments["dtype"],
        neighbours=arguments["neighbours"],
        device=arguments["device"],
        provenance=arguments["provenance"] or "",
        license=arguments["license"] or "",
    )
    with show_progress(console) as progress:
        result = import_vectors(
            store,
            asked,
            progress=partial(progress.work, "import"),
            neighbours_progress=partial(progress.work, "neighbours"),
        )
    for remark in result.remarks:
        console.record(event="warning", kind=remark.kind, count=remark.count, text=str(remark))
        console.note(str(remark))
    console.record(event="imported", **result.to_json())
    console.say(
        f"{asked.name}@{result.version}: {result.words:,} words, {result.dim} dimensions as {result.dtype} from "
        f"{result.format}, tokenizer {result.tokenizer}, in {format_seconds(result.seconds)}"
    )
    console.say(f"serve it: python -m app --store {arguments['store']}")
    return 0


COMMAND = Command(
    name="import",
    summary="Publish word vectors made by others: word2vec, GloVe, fastText, model2vec or gensim files.",
    usage="FILE --name NAME --store FOLDER [options]",
    examples="""\
  python -m trainer import GoogleNews-vectors-negative300.bin --name news --store store
  python -m trainer import glove.6B.100d.txt --name glove --store store --license "PDDL 1.0"
  python -m trainer import cc.ko.300.bin --name korean --store store --dtype float16
  python -m trainer import potion-base-8M --name potion --store store
""",
    options=(
        Option("name", "name to publish it under", needed=True, metavar="NAME"),
        STORE,
        Option("format", "format of the file (default: found out by what stands in it)", choices=FORMATS),
        Option(
            "tokenizer",
            "how queries and texts are spelled and split (default: words where that finds all but one word in a thousand, as "
            "where all are in lower case; else whitespace, which keeps case)",
            choices=("words", "letters", "whitespace"),
        ),
        Option(
            "dtype",
            "numbers as they are kept; float16 takes half the space (default: what keeps the file's precision)",
            choices=("float32", "float16"),
        ),
        NEIGHBOURS,
        NEIGHBOURS_DEVICE,
        Option("provenance", "where the vectors come from, in a sentence", metavar="TEXT"),
        Option("license", "licence of the vectors", metavar="TEXT"),
    ),
    run=run,
    add_positionals=lambda parser: parser.add_argument("file", metavar="FILE"),
)
