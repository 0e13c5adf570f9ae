"""The vocabulary of a ``tokenizer.json``, with its pieces of words told from its words."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from artifact.errors import InputError

CONTINUED = "##"
"""What a piece that continues a word begins with, as in WordPiece."""
_SPACE_MARK = "▁"


def name_tokens(tokenizer: Any, *, name: str) -> tuple[dict[int, bytes], int]:
    """The tokens by id, and how many of them are pieces that continue a word.

    Where words begin with a mark (SentencePiece's ▁, byte-level BPE's Ġ), the mark goes and what has none is a piece. Raises
    InputError.
    """
    vocabulary = _find_vocabulary(tokenizer, name=name)
    added = {content for content, _ in _find_added(tokenizer)}
    marked = sum(token.startswith(_SPACE_MARK) for token in vocabulary)
    if _is_byte_level(tokenizer):
        spell = _spell_bytes
    elif marked * 20 > len(vocabulary):
        spell = _spell_marked
    else:
        spell = _spell_plain
    named: dict[int, bytes] = {}
    pieces = 0
    for token, token_id in vocabulary.items():
        word = _encode(token) if token in added else spell(token)
        pieces += word.startswith(CONTINUED.encode()) and len(word) > len(CONTINUED)
        named.setdefault(token_id, word)
    return named, pieces


def _find_vocabulary(tokenizer: Any, *, name: str) -> dict[str, int]:
    """Token to id; what was added wins."""
    match tokenizer:
        case {"model": {"vocab": dict() as vocabulary}}:
            items = list(vocabulary.items())
        case {"model": {"vocab": list() as entries}}:
            items = [
                (entry[0] if isinstance(entry, list) and entry else None, token_id)
                for token_id, entry in enumerate(entries)
            ]
        case _:
            raise InputError(f"{name}: there is no vocabulary in it: not a file of the tokenizers library")
    items += _find_added(tokenizer)
    for token, token_id in items:
        if not isinstance(token, str) or type(token_id) is not int or not 0 <= token_id < 1 << 31:
            raise InputError(f"{name}: an entry of the vocabulary is not a token with an id")
    return dict(items)


def _find_added(tokenizer: Any) -> list[tuple[str, int]]:
    added = tokenizer.get("added_tokens") if isinstance(tokenizer, dict) else None
    return [
        (entry.get("content", ""), entry.get("id", -1)) for entry in added or () if isinstance(entry, dict)
    ]


def _is_byte_level(tokenizer: Any) -> bool:
    parts = [tokenizer.get(key) for key in ("pre_tokenizer", "decoder")]
    return any(part.get("type") == "ByteLevel" for part in _walk(parts))


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each)


def _spell_plain(token: str) -> bytes:
    return _encode(token)


def _spell_marked(token: str) -> bytes:
    word = token.removeprefix(_SPACE_MARK)
    if not word or (token.startswith("<") and token.endswith(">")):
        return _encode(token)
    return _encode(word) if len(word) < len(token) else _continue(token)


def _spell_bytes(token: str) -> bytes:
    letters = _byte_letters()
    if any(letter not in letters for letter in token):
        return _encode(token)
    data = bytes(letters[letter] for letter in token)
    word = data.removeprefix(b" ")
    return word if len(word) < len(data) and word.strip() else _continue(data.decode(errors="replace"))


def _continue(piece: str) -> bytes:
    """A piece without the mark of a word's beginning; punctuation is not one of a word."""
    return _encode(CONTINUED + piece if piece[:1].isalnum() else piece)


def _encode(token: str) -> bytes:
    return token.encode("utf-8", "replace")


@functools.cache
def _byte_letters() -> dict[str, int]:
    """The letters that byte-level BPE writes bytes as (GPT-2's ``bytes_to_unicode``)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(others)}
