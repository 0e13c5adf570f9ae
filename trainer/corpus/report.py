"""What was found while reading a text, oddities included."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class CorpusReport:
    """What a text held. Everything that was changed or left out is counted here."""

    files: int = 0
    """Sources that were read: files, and standard input."""
    skipped_files: int = 0
    """Files of a folder that are not text."""
    bytes: int = 0
    """Bytes of text, after decompression."""
    lines: int = 0
    """Lines with at least one word; the others are left out."""
    words: int = 0
    """All words, kept or not; where phrases were joined, each of them is one."""
    kept_words: int = 0
    """Words that occur min-count times or more, repetitions included."""
    types: int = 0
    """Different words."""
    kept_types: int = 0
    """Different words that occur min-count times or more."""
    invalid_utf8: int = 0
    """Byte sequences that are not UTF-8, each replaced by U+FFFD."""
    nuls: int = 0
    """NUL bytes, read as white space."""
    cut_lines: int = 0
    """Cuts made in lines that were too long."""
    long_words: int = 0
    """Words longer than ``artifact.tokenizer.MAX_TOKEN_BYTES``, left out and counted nowhere else."""

    def to_json(self) -> dict[str, int]:
        """One number for each field."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> CorpusReport:
        """The report that ``to_json`` wrote. Raises ``ValueError`` for anything else."""
        names = {field.name for field in fields(cls)}
        if (
            not isinstance(value, dict)
            or set(value) != names
            or any(type(n) is not int for n in value.values())
        ):
            raise ValueError("not a corpus report")
        return cls(**value)

    def oddities(self) -> list[str]:
        """One line for each kind of thing that was changed or left out."""
        kinds = (
            (self.invalid_utf8, "invalid UTF-8 sequences, each replaced by U+FFFD"),
            (self.nuls, "NUL bytes, read as white space"),
            (self.cut_lines, "cuts in lines that are too long"),
            (self.long_words, "words left out for their length"),
            (self.skipped_files, "files skipped, not being text"),
        )
        return [f"{kind}: {number:,}" for number, kind in kinds if number]
