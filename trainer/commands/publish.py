"""``publish``: a new version of a published one, with what is asked for added to it."""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from typing import Any

from artifact.errors import InputError, WrongKind
from artifact.neighbours import ROLE as NEIGHBOURS
from artifact.remote import open_store
from artifact.store import Artifact, Store
from artifact.tokenizer import Tokenizer
from artifact.word_index import LEAST_WORDS
from artifact.word_index import ROLE as INDEX
from trainer.commands.command import NEIGHBOURS_DEVICE, STORE, THREADS, Command
from trainer.console import Console
from trainer.options import Arguments, Option, UsageError, positive_number


def run(arguments: Arguments, console: Console) -> int:
    if not arguments["neighbours"] and not arguments["index"]:
        raise UsageError("publish: what is to be added? --neighbours N, --index, or both")
    store = open_store(arguments["store"])
    artifact = store.open(*store.resolve(arguments["reference"]))
    if artifact.manifest.kind != "embedding":
        raise WrongKind(
            f"{artifact.name}@{artifact.version} is a language model; only word vectors have neighbours"
        )
    artifact.embedding()  # refuses parts that do not fit, before anything is computed from them
    version = _publish(store, artifact, arguments, console)
    console.say(f"published {artifact.name}@{version} in {store.location}, after {artifact.version}")
    return 0


def _publish(store: Store, artifact: Artifact, arguments: Arguments, console: Console) -> str:
    from trainer.neighbours import add_neighbours
    from trainer.progress import show_progress
    from trainer.word_index import add_index

    manifest, threads = artifact.manifest, arguments["threads"]
    renewed = {role for role in (NEIGHBOURS, INDEX) if arguments[role]}
    metrics = {key: value for key, value in manifest.metrics.items() if key not in renewed}
    found: dict[str, Any] = {}
    said: list[str] = []
    with store.draft(artifact.name) as draft:
        for role, entry in manifest.files.items():
            if role not in renewed:
                shutil.copyfile(artifact.path / entry.path, draft.add(role, entry.path))
        with show_progress(console) as progress:
            if INDEX in renewed:
                indexed = add_index(draft, progress=progress.work, threads=threads)
                found |= indexed.to_json()
                said.append(indexed.describe())
            if NEIGHBOURS in renewed:
                computed = add_neighbours(
                    draft,
                    arguments["neighbours"],
                    progress=partial(progress.work, "neighbours"),
                    threads=threads,
                    device=arguments["device"],
                )
                if computed is None:
                    raise InputError(
                        f"{artifact.name}@{artifact.version} has one word, which has no neighbours"
                    )
                found |= computed.to_json()
                said.append(computed.describe())
        version = draft.publish(
            kind=manifest.kind,
            tokenizer=Tokenizer.from_json(manifest.tokenizer),
            recipe=manifest.recipe,
            metrics=metrics | found,
            license=manifest.license,
            provenance=manifest.provenance,
            requires=manifest.requires,
        )
    for text in said:
        console.say(text)
    console.record(
        event="published",
        name=artifact.name,
        version=version,
        store=store.location,
        of_version=artifact.version,
        **found,
    )
    return version


def _add_positionals(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="NAME[@VERSION]")


COMMAND = Command(
    name="publish",
    summary="Publish a new version of word vectors, with a table of the nearest words of every word, or an index, or both.",
    usage="NAME[@VERSION] --store FOLDER [--neighbours N] [--index] [options]",
    examples="""\
  python -m trainer publish wiki --neighbours 100 --store store
  python -m trainer publish wiki --index --store store
  python -m trainer publish wiki@20260102T030405Z-0a1b2c3d --neighbours 20 --index --store store
""",
    options=(
        STORE,
        Option(
            "neighbours",
            "nearest words of each word, found exactly; the server then reads them from a table",
            parse=positive_number,
        ),
        Option(
            "index",
            f"for {LEAST_WORDS:,} words or more: an index by which the server answers other questions several times as fast, "
            "with its recall (needs pip install 'wordkin[index]')",
            switch=True,
            default=False,
        ),
        NEIGHBOURS_DEVICE,
        THREADS,
    ),
    run=run,
    add_positionals=_add_positionals,
)
