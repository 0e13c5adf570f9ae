"""``export``: a published version becomes a file, or a folder, that other programs read."""

from __future__ import annotations

from pathlib import Path

from artifact.remote import open_store
from trainer.commands.command import STORE, Command
from trainer.console import Console
from trainer.options import Arguments, Option

FORMATS = ("word2vec-binary", "word2vec-text", "glove-text", "model2vec", "projector")


def run(arguments: Arguments, console: Console) -> int:
    from artifact.formats.writing import export_embedding
    from artifact.weights import map_tensors
    from trainer.progress import show_progress

    store = open_store(arguments["store"])
    artifact = store.open(*store.resolve(arguments["reference"]))
    embedding = artifact.embedding()
    path = Path(arguments["output"])
    with show_progress(console) as progress:
        result = export_embedding(
            embedding,
            map_tensors(artifact.path / artifact.manifest.files["weights"].path)["vectors"],
            file_format=arguments["format"],
            path=path,
            progress=lambda done, total: progress.work("export", done, total),
        )
    if result.left_out:
        console.note(
            f"{result.left_out:,} words hold white space, which {arguments['format']} cannot say; left out"
        )
    if artifact.manifest.ngrams is not None:
        console.note("the vectors of character n-grams do not go along: the format has words alone")
    console.record(
        event="exported",
        name=artifact.name,
        version=artifact.version,
        format=arguments["format"],
        path=str(path),
        words=result.words,
        left_out=result.left_out,
    )
    console.say(
        f"{path}: {result.words:,} words of {artifact.name}@{artifact.version} as {arguments['format']}"
    )
    return 0


COMMAND = Command(
    name="export",
    summary="Write a version's word vectors in a format that other programs read.",
    usage="NAME[@VERSION] --store FOLDER --format FORMAT --output PATH [options]",
    examples="""\
  python -m trainer export wiki --store store --format word2vec-binary --output wiki.bin
  python -m trainer export wiki --store store --format projector --output wiki-projector
""",
    options=(
        STORE,
        Option("format", "format to write", choices=FORMATS, needed=True),
        Option("output", "file to write; a folder for model2vec and projector", metavar="PATH", needed=True),
    ),
    run=run,
    add_positionals=lambda parser: parser.add_argument("reference", metavar="NAME[@VERSION]"),
)
