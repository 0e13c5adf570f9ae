"""``verify``: are the published files still what was published?"""

from __future__ import annotations

from artifact.errors import ArtifactError, NotFound
from artifact.remote import open_store
from artifact.store import Store
from trainer.commands.command import STORE, Command
from trainer.commands.listing import add_reference, find_versions
from trainer.console import Console
from trainer.options import Arguments

EXIT_BROKEN = 1


def run(arguments: Arguments, console: Console) -> int:
    store = open_store(arguments["store"])
    reference = arguments["reference"]
    versions = find_versions(store, reference)
    broken = 0
    for name, version in versions:
        reason = _find_fault(store, name, version)
        broken += reason is not None
        console.record(name=name, version=version, ok=reason is None, reason=reason)
        console.say(f"{name}@{version}  " + ("ok" if reason is None else f"BROKEN: {reason}"))
    if reference is None or "@" not in reference:
        broken += _check_latest(store, [reference] if reference else store.names(), console)
    if broken:
        console.note(f"{broken} of {len(versions)} versions must not be used")
    elif not versions:
        console.say(f"there is no model in {store.location}")
    return EXIT_BROKEN if broken else 0


def _find_fault(store: Store, name: str, version: str) -> str | None:
    try:
        store.verify(name, version)
    except (ArtifactError, NotFound) as error:
        return str(error)
    return None


def _check_latest(store: Store, names: list[str], console: Console) -> int:
    """How many names have a ``latest`` that names no version."""
    broken = 0
    for name in names:
        try:
            store.resolve(name)
        except (ArtifactError, NotFound) as error:
            console.record(name=name, ok=False, reason=str(error))
            console.say(f"{name}  BROKEN: {error}")
            broken += 1
    return broken


COMMAND = Command(
    name="verify",
    summary="Hash every file of the published versions again; exit 1 if one is not what was published.",
    usage="[NAME[@VERSION]] --store FOLDER [options]",
    examples="""\
  python -m trainer verify --store store
  python -m trainer verify ptb --store store
""",
    options=(STORE,),
    run=run,
    add_positionals=add_reference,
)
