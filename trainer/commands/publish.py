"""``publish``: a new version of a published one, with what is asked for added to it."""

from __future__ import annotations

import argparse
import shutil
from functools import partial

from artifact.errors import InputError, WrongKind
from artifact.neighbours import ROLE as NEIGHBOURS
from artifact.remote import open_store
from artifact.store import Artifact, Store
from artifact.tokenizer import Tokenizer
from trainer.commands.command import NEIGHBOURS_DEVICE, STORE, THREADS, Command
from trainer.console import Console
from trainer.options import Arguments, Option, positive_number


def run(arguments: Arguments, console: Console) -> int:
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

    manifest = artifact.manifest
    metrics = {key: value for key, value in manifest.metrics.items() if key != NEIGHBOURS}
    with store.draft(artifact.name) as draft:
        for role, entry in manifest.files.items():
            if role != NEIGHBOURS:
                shutil.copyfile(artifact.path / entry.path, draft.add(role, entry.path))
        with show_progress(console) as progress:
            computed = add_neighbours(
                draft,
                arguments["neighbours"],
                progress=partial(progress.work, "neighbours"),
                threads=arguments["threads"],
                device=arguments["device"],
            )
        if computed is None:
            raise InputError(f"{artifact.name}@{artifact.version} has one word, which has no neighbours")
        version = draft.publish(
            kind=manifest.kind,
            tokenizer=Tokenizer.from_json(manifest.tokenizer),
            recipe=manifest.recipe,
            metrics=metrics | computed.to_json(),
            license=manifest.license,
            provenance=manifest.provenance,
            requires=manifest.requires,
        )
    console.say(computed.describe())
    console.record(
        event="published",
        name=artifact.name,
        version=version,
        store=store.location,
        of_version=artifact.version,
        **computed.to_json(),
    )
    return version


def _add_positionals(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="NAME[@VERSION]")


COMMAND = Command(
    name="publish",
    summary="Publish a new version of word vectors, with the nearest words of every word computed beforehand.",
    usage="NAME[@VERSION] --store FOLDER --neighbours N [options]",
    examples="""\
  python -m trainer publish wiki --neighbours 100 --store store
  python -m trainer publish wiki@20260102T030405Z-0a1b2c3d --neighbours 20 --store store
""",
    options=(
        STORE,
        Option(
            "neighbours",
            "nearest words of each word, found exactly; the server then reads them from a table",
            parse=positive_number,
            needed=True,
        ),
        NEIGHBOURS_DEVICE,
        THREADS,
    ),
    run=run,
    add_positionals=_add_positionals,
)
