"""``list``: what a store holds."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from artifact.errors import ArtifactError, NotFound
from artifact.manifest import Manifest
from artifact.remote import open_store
from artifact.store import Store
from trainer.commands.command import STORE, Command
from trainer.console import Console, format_bytes, format_table
from trainer.options import Arguments

LATEST, PINNED = "*", "="
_HEADER = ["", "NAME", "VERSION", "KIND", "WORDS", "DIM", "SIZE", "CREATED"]


def run(arguments: Arguments, console: Console) -> int:
    store = open_store(arguments["store"])
    rows = [_HEADER]
    for name, version in find_versions(store, arguments["reference"]):
        latest, pinned = _says(store.latest, name, version), _says(store.pinned, name, version)
        try:
            entry = _describe(store.manifest(name, version))
        except ArtifactError as error:
            console.note(f"{error}")
            entry = {"kind": "unreadable", "words": None, "dim": None, "bytes": 0, "created": None}
        console.record(name=name, version=version, latest=latest, pinned=pinned, **entry)
        rows.append(
            [
                LATEST * latest + PINNED * pinned,
                name,
                version,
                entry["kind"],
                "" if entry["words"] is None else f"{entry['words']:,}",
                "" if entry["dim"] is None else str(entry["dim"]),
                format_bytes(entry["bytes"]),
                "" if entry["created"] is None else entry["created"][:16].replace("T", " "),
            ]
        )
    if len(rows) == 1:
        console.say(f"there is no model in {store.location}")
    else:
        console.say(format_table(rows, right=(4, 5, 6)))
        console.say(f"{LATEST} the latest: what a name alone means")
        if any(PINNED in row[0] for row in rows):
            console.say(f"{PINNED} pinned: what servers answer with for the name")
    return 0


def find_versions(store: Store, reference: str | None) -> list[tuple[str, str]]:
    """Every version in the store, of a name, or the one that NAME@VERSION says. Raises NotFound, NameRefused."""
    if reference is not None and "@" in reference:
        return [store.resolve(reference)]
    if reference is not None and not store.versions(reference):
        raise NotFound(f"there is no model {reference} in {store.location}")
    names = store.names() if reference is None else [reference]
    return [(name, version) for name in names for version in store.versions(name)]


def _says(ask: Callable[[str], str | None], name: str, version: str) -> bool:
    """Whether the file that `ask` reads names this version."""
    try:
        return ask(name) == version
    except (ArtifactError, NotFound):
        return False


def _describe(manifest: Manifest) -> dict[str, Any]:
    shapes = {name: tensor.shape for name, tensor in manifest.tensors.items()}
    words, dim = None, None
    if len(shape := shapes.get("vectors", [])) == 2:
        words, dim = shape
    elif len(shape := shapes.get("counts", [])) == 1:  # a language model
        [words] = shape
    created = datetime.strptime(manifest.created, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return {
        "kind": manifest.kind,
        "words": words,
        "dim": dim,
        "bytes": sum(entry.bytes for entry in manifest.files.values()),
        "created": created.isoformat().replace("+00:00", "Z"),
    }


def add_reference(parser: argparse.ArgumentParser) -> None:
    """A positional ``[NAME[@VERSION]]``."""
    parser.add_argument("reference", nargs="?", metavar="NAME[@VERSION]")


COMMAND = Command(
    name="list",
    summary="List the versions in a store.",
    usage="[NAME[@VERSION]] --store FOLDER [options]",
    examples="  python -m trainer list --store store\n",
    options=(STORE,),
    run=run,
    add_positionals=add_reference,
)
