"""Which of several media types to answer with: what the Accept header of a request asks for (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request


def choose(accept: str, offered: Sequence[str]) -> str | None:
    """The one of ``offered`` that ``accept`` likes best; None where it takes none of them.

    Among equals what is named wins over a wildcard, then the order of ``offered``. Without a header anything goes; what
    cannot be read in one is passed over.
    """
    ranges = [parsed for part in accept.split(",") if (parsed := _parse(part)) is not None]
    if not ranges:
        return offered[0] if not accept.strip() else None
    ranked: list[tuple[float, int, int]] = []
    for place, media_type in enumerate(offered):
        specificity, quality = max(
            (
                (specificity, quality)
                for media_range, quality in ranges
                if (specificity := _match(media_range, media_type))
            ),
            default=(0, 0.0),
        )
        ranked.append((quality, specificity, -place))
    quality, _, place = max(ranked)
    return offered[-place] if quality > 0 else None


def read_accept(request: Request) -> str:
    """The Accept header of a request, its lines joined; empty where there is none."""
    return ",".join(request.headers.getlist("accept"))


def _parse(part: str) -> tuple[str, float] | None:
    """Media range and quality; None where this is neither. Other parameters than q do not count here."""
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    if media_range.count("/") != 1:
        return None
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return None
            return (media_range, quality) if 0 <= quality <= 1 else None
    return media_range, 1.0


def _match(media_range: str, media_type: str) -> int:
    """How closely a range names a type: 3 by name, 2 by its first half, 1 as anything, 0 not at all."""
    if media_range == media_type:
        return 3
    if media_range == media_type.partition("/")[0] + "/*":
        return 2
    return 1 if media_range == "*/*" else 0
