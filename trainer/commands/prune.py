"""``prune``: remove old versions."""

from __future__ import annotations

import argparse
from contextlib import suppress

from artifact.errors import NotFound, StoreError
from artifact.remote import open_store
from artifact.store import Store
from trainer.commands.command import STORE, Command
from trainer.console import Console
from trainer.options import Arguments, Option, count_number

KEEP = 3


def run(arguments: Arguments, console: Console) -> int:
    store = open_store(arguments["store"])
    name = arguments["name"]
    if name is not None and not store.versions(name):
        raise NotFound(f"there is no model {name} in {store.location}")
    gone = 0
    for each in [name] if name is not None else store.names():
        for version in store.prune(each, keep=arguments["keep"]):
            gone += 1
            console.record(name=each, version=version, removed=True)
            console.say(f"removed {each}@{version}")
        _forget_states(store, each)
    if not gone:
        console.say(
            f"nothing to remove: no name has versions beyond its newest {arguments['keep']} and its latest"
        )
    return 0


def _forget_states(store: Store, name: str) -> None:
    """Remove the final training states of versions that are gone."""
    from trainer.checkpoint import FOLDER, Checkpoints

    if (store.root / FOLDER / name).is_dir():
        checkpoints = Checkpoints(store.root, name)
        # While this name is being trained its states are left alone; the next pruning comes by.
        with suppress(StoreError), checkpoints.locked():
            checkpoints.forget_others(store.versions(name))


def _add_positionals(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME")


COMMAND = Command(
    name="prune",
    summary="Remove all but the newest versions of one name or of all; what latest names always stays.",
    usage="[NAME] --store FOLDER [--keep N] [options]",
    examples="  python -m trainer prune ptb --keep 2 --store store\n",
    options=(STORE, Option("keep", "versions of each name to keep", parse=count_number, default=KEEP)),
    run=run,
    add_positionals=_add_positionals,
)
