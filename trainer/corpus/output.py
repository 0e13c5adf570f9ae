"""A folder that appears whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artifact.errors import InputError
from artifact.files import sync_file, sync_folder
from trainer.corpus.folder import DATA_FILES, DESCRIPTION_FILE, PHRASE_FILES, is_corpus
from trainer.corpus.sources import show

_OWN_FILES = {*DATA_FILES, *PHRASE_FILES, DESCRIPTION_FILE}


@contextmanager
def replace_corpus(output: Path) -> Iterator[Path]:
    """A hidden folder beside ``output`` to write a corpus into; it becomes ``output`` when the block ends well.

    Then what is not a file of a corpus is removed from it, and the rest made durable. A corpus that is at
    ``output`` stays until then; anything else there, unless it is an empty folder, raises ``InputError`` at
    once, as does a place that cannot be written, and a disk that gets full.
    """
    try:
        output = output.resolve()
        _check_free(output)
        output.parent.mkdir(parents=True, exist_ok=True)
        draft = output.parent / f".{output.name}.{secrets.token_hex(4)}.draft"
        draft.mkdir()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write a corpus to {show(output)}: {reason}") from None
    try:
        yield draft
        for file in draft.iterdir():
            if file.name not in _OWN_FILES:
                file.unlink()
            else:
                sync_file(file)
        sync_folder(draft)
        _swap(draft, output)
    except BrokenPipeError:
        # Whoever reads the progress has gone; no file was refused.
        raise
    except OSError as error:
        raise InputError(f"cannot write a corpus to {show(output)}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_free(output: Path) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise InputError(f"cannot write a corpus to {show(output)}: a file is there")
    others = {entry.name for entry in output.iterdir()} - _OWN_FILES
    if others or (any(output.iterdir()) and not is_corpus(output)):
        shown = f" ({show(min(others))})" if others else ""
        raise InputError(
            f"cannot write a corpus to {show(output)}: a folder with other things in it{shown} is there"
        )


def _swap(draft: Path, output: Path) -> None:
    old = draft.with_suffix(".old")
    if output.exists():
        output.rename(old)
    try:
        draft.rename(output)
    except BaseException:
        if old.exists():
            old.rename(output)
        raise
    sync_folder(output.parent)
    shutil.rmtree(old, ignore_errors=True)
