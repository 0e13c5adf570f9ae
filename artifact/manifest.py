"""The manifest: what a published version is, in one canonical JSON file that is written last."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from artifact.canonical import decode_json, encode_json
from artifact.errors import ArtifactError, Corrupt, NameRefused, Unsupported
from artifact.phrases import REQUIREMENT as PHRASES
from artifact.phrases import Joining
from artifact.subwords import REQUIREMENT as SUBWORDS
from artifact.subwords import Ngrams

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 16 << 20
NAME_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
UNDERSTOOD_REQUIREMENTS: frozenset[str] = frozenset({SUBWORDS, PHRASES})

Kind = Literal["embedding", "language-model"]
PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Length = Annotated[int, Field(ge=0, le=1 << 48)]


def check_name(name: str, *, what: str = "name") -> str:
    """``name`` itself if it may name a model or version; NameRefused otherwise, before it touches a path."""
    if not NAME_PATTERN.match(name):
        raise NameRefused(
            f"{what} {name[:80]!a} is refused: 1 to 64 of A-Z a-z 0-9 . _ - are allowed, beginning with a letter or digit"
        )
    return name


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class FileEntry(_Frozen):
    """One file of a version: a plain name beside the manifest, its size in bytes and its sha256."""

    path: PlainName
    bytes: Length
    sha256: Sha256


class TensorEntry(_Frozen):
    """The element type and shape of one tensor in the weights file."""

    dtype: str
    shape: list[Length]


class Manifest(_Frozen):
    """Everything that is known of a version before its files are read."""

    format_version: Literal[1]
    kind: Kind
    name: PlainName
    version: PlainName
    digest: Sha256
    created: str
    tensors: dict[str, TensorEntry]
    tokenizer: dict[str, Any]
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    files: dict[str, FileEntry]
    requires: dict[str, Any]
    provenance: str
    license: str

    @property
    def ngrams(self) -> Ngrams | None:
        """The n-grams that unknown words are composed from, where the model has them."""
        return Ngrams.from_json(self.requires[SUBWORDS]) if SUBWORDS in self.requires else None

    @property
    def joining(self) -> Joining | None:
        """How phrases are joined, where the model was trained with them."""
        return Joining.from_json(self.requires[PHRASES]) if PHRASES in self.requires else None


def seal_manifest(fields: dict[str, Any], *, created: datetime) -> tuple[str, bytes]:
    """The version and the manifest's bytes for ``fields`` (a Manifest without version, digest and created)."""
    stamp = created.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    body = {**fields, "format_version": FORMAT_VERSION, "created": stamp}
    digest = hashlib.sha256(encode_json(body)).hexdigest()
    version = f"{stamp}-{digest[:8]}"
    data = encode_json({**body, "digest": digest, "version": version})
    if len(data) > MAX_MANIFEST_BYTES:
        raise NameRefused(f"the manifest would be {len(data)} bytes; {MAX_MANIFEST_BYTES} are allowed")
    parse_manifest(data, name=fields["name"], version=version)
    return version, data


def parse_manifest(data: bytes, *, name: str, version: str) -> Manifest:
    """The manifest in ``data``, which was found as version ``version`` of ``name``.

    Raises Corrupt where the bytes, the digest or the fields are not what they must be, and Unsupported for a
    format version or requirement that this release does not know.
    """
    where = f"{name}/{version}/{MANIFEST_FILE}"
    if len(data) > MAX_MANIFEST_BYTES:
        raise Corrupt(f"{where}: larger than {MAX_MANIFEST_BYTES} bytes")
    value = decode_json(data, where=where)
    if not isinstance(value, dict):
        raise Corrupt(f"{where}: not a JSON object")
    format_version = value.get("format_version")
    if format_version != FORMAT_VERSION or isinstance(format_version, bool):
        raise Unsupported(
            f"{where}: format_version {str(format_version)[:40]} is not known here (only {FORMAT_VERSION} is)"
        )
    body = {key: item for key, item in value.items() if key not in {"digest", "version"}}
    if hashlib.sha256(encode_json(body)).hexdigest() != value.get("digest"):
        raise Corrupt(f"{where}: the digest does not match the content")
    try:
        manifest = Manifest.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Corrupt(f"{where}: field {field}: {first['msg']}") from None
    if (manifest.name, manifest.version) != (name, version):
        raise Corrupt(f"{where}: says that it is {manifest.name}/{manifest.version}")
    if version != f"{manifest.created}-{manifest.digest[:8]}":
        raise Corrupt(f"{where}: the version does not follow from its date and digest")
    paths = [entry.path for entry in manifest.files.values()]
    if len(set(paths)) != len(paths) or MANIFEST_FILE in paths:
        raise Corrupt(f"{where}: two files share one path")
    unknown = sorted(set(manifest.requires) - UNDERSTOOD_REQUIREMENTS)
    if unknown:
        raise Unsupported(
            f"{where}: requires {', '.join(unknown)[:200]}, which this release does not understand"
        )
    _check_requirements(manifest, where=where)
    return manifest


def _check_requirements(manifest: Manifest, *, where: str) -> None:
    try:
        _ = manifest.ngrams, manifest.joining
    except ArtifactError as error:
        raise type(error)(f"{where}: {error}") from None
    for requirement in manifest.requires:
        if manifest.kind != "embedding" or requirement not in manifest.files:
            raise Corrupt(
                f"{where}: requires {requirement}, but only an embedding with a file of them can have them"
            )
