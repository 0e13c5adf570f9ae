"""Downloading one file: resumed where it broke off, checked for size and hash, and there only when whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from artifact.errors import InputError, StoreUnwritable
from artifact.files import hash_file, replace_file, sync_file, sync_folder
from trainer.corpus.datasets import Download

Received = Callable[[int, int | None], None]
"""Told the bytes that are there and of how many, where that is known."""

TIMEOUT_S = 30.0
ATTEMPTS = 5
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class _Broken(Exception):
    """The connection broke off; what has arrived is kept."""


@dataclass(frozen=True)
class Partial:
    """A file that is still arriving, and beside it the mark by which the server knows its version."""

    path: Path

    @property
    def mark_path(self) -> Path:
        return self.path.with_name(self.path.name + ".mark")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def mark(self) -> str:
        """What to send as If-Range: "" where the server gave nothing that vouches for the same bytes."""
        with suppress(OSError, UnicodeDecodeError):
            return self.mark_path.read_text("ascii")
        return ""

    def begin(self, response: httpx.Response) -> None:
        """Starts over, and remembers the mark (RFC 9110, 13.1.5: a strong entity tag or a date)."""
        self.drop()
        tag = response.headers.get("ETag", "")
        mark = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
        if mark and mark.isascii():
            replace_file(self.mark_path, mark.encode())

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.mark_path.unlink(missing_ok=True)


def download(source: Download, path: Path, *, received: Received) -> None:
    """Download ``source.url`` to ``path``. What arrives is kept in ``path.part``, from which a later call goes on.

    Raises InputError, in one line, when the server cannot be reached, refuses, breaks off, or sends other bytes
    than are known; StoreUnwritable when the disk cannot take the file.
    """
    partial = Partial(path.with_name(path.name + ".part"))
    try:
        resumed = partial.size() > 0
        _receive_all(source, partial, received)
        try:
            _check(source, partial)
        except InputError:
            if not resumed:
                raise
            # What was kept from before may have been at fault: once more from the start.
            _receive_all(source, partial, received)
            _check(source, partial)
        sync_file(partial.path)
        partial.path.replace(path)
        partial.drop()
        sync_folder(path.parent)
    except BrokenPipeError:  # whoever reads the progress has gone; no file was refused
        raise
    except OSError as error:
        raise StoreUnwritable(f"{path}: cannot be written: {error.strerror or error}") from None


def _receive_all(source: Download, partial: Partial, received: Received) -> None:
    """Receives until the file is whole; a connection that breaks off is made again as long as that helps."""
    host = httpx.URL(source.url).host if _is_http(source.url) else source.url
    try:
        with httpx.Client(follow_redirects=True, timeout=TIMEOUT_S) as client:
            for attempt in range(ATTEMPTS):
                before = partial.size()
                try:
                    return _receive(client, source, partial, received)
                except _Broken as error:
                    if partial.size() <= before or attempt == ATTEMPTS - 1:
                        raise InputError(
                            f"{source.url}: the connection broke off after {partial.size():,} bytes ({error}); "
                            "what has arrived is kept, so fetch again to go on"
                        ) from None
    except httpx.TimeoutException:
        raise InputError(f"{source.url}: {host} did not answer within {TIMEOUT_S:.0f} s") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise InputError(f"{source.url}: not a URL to download from") from None
    except httpx.HTTPError as error:
        raise InputError(
            f"{source.url}: {host} cannot be reached ({_reason(error)}); is there a network?"
        ) from None


def _is_http(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def _receive(client: httpx.Client, source: Download, partial: Partial, received: Received) -> None:
    """One request: for the rest where there is a part, else for all."""
    mark = partial.mark()
    if not mark and source.sha256 is None:
        partial.drop()  # nothing could tell whether the rest belongs to it
    start = partial.size()
    # As it lies there: a length, a range and a hash mean nothing for a compressed answer.
    headers = {"Accept-Encoding": "identity", "User-Agent": "Mozilla/5.0 (compatible; wordkin)"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if mark:
            headers["If-Range"] = mark
    with client.stream("GET", source.url, headers=headers) as response:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            if not (match and match[2] == str(start)):  # else it was whole already
                partial.drop()
                _receive(client, source, partial, received)
            return
        if response.status_code == httpx.codes.PARTIAL_CONTENT and not (match and match[1] == str(start)):
            partial.drop()
            raise InputError(f"{source.url}: the server answered with a part that was not asked for")
        if response.status_code not in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
            reason = f" {response.reason_phrase}" if response.reason_phrase else ""
            raise InputError(f"{source.url}: the server answered {response.status_code}{reason}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise InputError(f"{source.url}: the server sent it compressed though it was asked not to")
        if response.status_code == httpx.codes.OK:
            partial.begin(response)
            start = 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        if total is not None and source.bytes is not None and total != source.bytes:
            partial.drop()
            raise InputError(f"{source.url}: has {total:,} bytes, not the {source.bytes:,} that are known")
        with partial.path.open("ab") as file:
            _append(response, file, done=start, total=total or source.bytes, source=source, received=received)


def _append(
    response: httpx.Response,
    file: BinaryIO,
    *,
    done: int,
    total: int | None,
    source: Download,
    received: Received,
) -> None:
    received(done, total)
    try:
        for block in response.iter_raw():
            file.write(block)
            done += len(block)
            received(done, total)
            if source.bytes is not None and done > source.bytes:
                return  # too long already; the check of its size says so
    except (httpx.TransportError, httpx.StreamError) as error:
        raise _Broken(_reason(error)) from None


def _check(source: Download, partial: Partial) -> None:
    """Size and hash; a file that differs is removed, so that it is never taken for a good part."""
    size = partial.size()
    if source.bytes is not None and size != source.bytes:
        partial.drop()
        raise InputError(f"{source.url}: {size:,} bytes arrived, not the {source.bytes:,} that are known")
    if source.sha256 is not None and (found := hash_file(partial.path)) != source.sha256:
        partial.drop()
        raise InputError(
            f"{source.url}: its sha256 is {found}, not {source.sha256}: not the file that is known"
        )
