"""API keys: who may ask, and who may change what is served.

A key is a long random string. The settings hold its sha256 alone, in lines ``name:scope:sha256``, so that reading the settings
gives nobody access; a key is drawn at random with 256 bits, so that a plain hash is enough. Scope ``read`` may ask everything,
``admin`` may also change what is served. Without any key everybody may ask, and nobody may change anything.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import FORBIDDEN, UNAUTHORIZED, ProblemError, send_problem
from app.settings import Settings
from artifact.errors import InputError
from artifact.manifest import check_name

KeyScope = Literal["read", "admin"]
KEY_PREFIX = "wk_"
KEY_BYTES = 32
MAX_KEY_BYTES = 256
MAX_FILE_BYTES = 1 << 20
_SHA256_FORM = re.compile(r"[0-9a-f]{64}\Z")
# Health is for probes; the page and the description of the interface hold nothing of the models.
OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json", "/health/live", "/health/ready"})
OPEN_FOLDERS = ("/docs/files/", "/explorer/", "/v2/health/")


@dataclass(frozen=True, slots=True)
class Key:
    """What the server knows of a key: its name, its scope and the sha256 of the key itself, 64 hexadecimal digits."""

    name: str
    scope: KeyScope
    sha256: str

    def format(self) -> str:
        """The line that goes into the settings."""
        return f"{self.name}:{self.scope}:{self.sha256}"


def draw_key(name: str, scope: KeyScope) -> tuple[str, Key]:
    """A new key: the secret, which is kept nowhere, and what the settings need. NameRefused for a name that is none."""
    check_name(name, what="key")
    secret = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    return secret, Key(name, scope, sha256(secret.encode()).hexdigest())


def parse_keys(text: str, *, source: str) -> list[Key]:
    """The keys in ``text``: lines or a comma-separated list; ``#`` begins a comment. InputError names line and fault."""
    return [
        _parse_key(part.strip(), where=f"{source}, line {number}")
        for number, line in enumerate(text.splitlines(), start=1)
        for part in line.partition("#")[0].split(",")
        if part.strip()
    ]


def read_keys(settings: Settings) -> KeyRing:
    """The keys of ``--keys`` and of the file ``--keys-file`` together. InputError where they cannot be read."""
    keys = parse_keys(settings.keys, source="--keys")
    if settings.keys_file:
        keys += _read_file(Path(settings.keys_file), source=f"--keys-file {settings.keys_file}")
    for what, values in (("name", [key.name for key in keys]), ("sha256", [key.sha256 for key in keys])):
        twice = [key.name for key, value in zip(keys, values, strict=True) if values.count(value) > 1]
        if twice:
            raise InputError(f"--keys and --keys-file: the {what} of key {twice[0]} stands twice")
    return KeyRing(keys)


class KeyRing:
    """The keys of a server."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self.keys = tuple(keys)

    def __bool__(self) -> bool:
        return bool(self.keys)

    def find(self, secret: bytes) -> Key | None:
        """The key that ``secret`` is, or None. All are compared, each in constant time."""
        if len(secret) > MAX_KEY_BYTES:
            return None
        digest = sha256(secret).hexdigest()
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found


class KeyGate:
    """ASGI: lets requests with a known key through, and all to what is open; the key is then ``request.state.key``."""

    def __init__(self, app: ASGIApp, *, ring: KeyRing) -> None:
        self.app = app
        self.ring = ring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            secret = _read_secret(scope)
            key = self.ring.find(secret) if secret else None
            if key is None and not is_open(scope["path"]):
                await send_problem(_demand_key(sent=secret is not None), scope, receive, send)
                return
            scope.setdefault("state", {})["key"] = key
        await self.app(scope, receive, send)


def is_open(path: str) -> bool:
    """Whether ``path`` is answered without a key: health, and the description of the interface."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


async def require_admin(request: Request) -> Key:
    """The admin key of a request, as a dependency of a route. ProblemError: 401 without a key, 403 with a lesser one."""
    ring: KeyRing = request.app.state.keys
    if not ring:
        detail = "this takes a key of scope admin, and this server has none: see --keys-file, and python -m app key"
        raise ProblemError(FORBIDDEN, detail)
    key: Key | None = request.scope.get("state", {}).get("key")
    if key is None:
        raise _demand_key(sent=False)
    if key.scope != "admin":
        raise ProblemError(FORBIDDEN, "this takes a key of scope admin; the one that was sent may only read")
    return key


def describe_security() -> dict[str, dict[str, str]]:
    """The OpenAPI security schemes of the two ways to send a key."""
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }


def _read_file(path: Path, *, source: str) -> list[Key]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{source}: {error.strerror or error}") from None
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{source}: larger than {MAX_FILE_BYTES} bytes")
    try:
        keys = parse_keys(data.decode(), source=source)
    except UnicodeDecodeError:
        raise InputError(f"{source}: not UTF-8") from None
    if not keys:
        # Named and empty: better not to start than to be open to everybody.
        raise InputError(f"{source}: there is no key in it")
    return keys


def _parse_key(text: str, *, where: str) -> Key:
    name, _, rest = text.partition(":")
    scope, _, digest = rest.partition(":")
    if scope not in get_args(KeyScope) or not _SHA256_FORM.match(digest):
        # The text may be a key that somebody pasted: it is not repeated.
        raise InputError(
            f"{where}: a key is written name:read:sha256 or name:admin:sha256; python -m app key makes one"
        )
    check_name(name, what="key")
    return Key(name, "admin" if scope == "admin" else "read", digest)


def _read_secret(scope: Scope) -> bytes | None:
    """The key that was sent: a bearer token before X-API-Key; None where there is neither."""
    sent: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            token: bytes = value[7:].strip()
            return token
        if name == b"x-api-key":
            sent = value.strip()
    return sent


def _demand_key(*, sent: bool) -> ProblemError:
    detail = (
        "the key that was sent is not one of this server's"
        if sent
        else "a key is needed: Authorization: Bearer KEY, or X-API-Key: KEY"
    )
    challenge = 'Bearer realm="wordkin"' + (', error="invalid_token"' if sent else "")
    return ProblemError(UNAUTHORIZED, detail, headers={"www-authenticate": challenge})
