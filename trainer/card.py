"""The papers of a published version: README.md for people who find the folder, report.html for those who look closer."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from artifact.embedding import Neighbour
from trainer.console import one_line
from trainer.corpus.sample import SAMPLE_NOTICE

Rows = Mapping[str, str]


@dataclass(frozen=True)
class Card:
    """What there is to say about a version; every value is for people."""

    name: str
    summary: str
    text: Rows
    settings: Rows
    result: Rows
    neighbours: Mapping[str, Sequence[Neighbour]]
    generated: bool = False
    license: str = ""

    def to_markdown(self) -> bytes:
        parts = [f"# {self.name}", self.summary]
        if self.generated:
            parts.append(f"**Generated text.** {SAMPLE_NOTICE}")
        parts += [
            "## Trained on",
            _markdown_table(self.text),
            "## Settings",
            _markdown_table(self.settings),
            "## Result",
            _markdown_table(self.result),
            "![The loss over the training](loss.svg)",
            "## Nearest words",
            "\n".join(
                f"- {_code(word)}: {', '.join(_code(each.word) for each in found)}"
                for word, found in self.neighbours.items()
            ),
            "## Use",
            _USE.format(name=self.name),
            "Word vectors repeat what stands in their text, its prejudices and mistakes included.",
        ]
        if self.license:
            parts.append(f"Licence of the vectors: {one_line(self.license)}")
        return ("\n\n".join(parts) + "\n").encode("utf-8", "backslashreplace")

    def to_html(self, *, loss_svg: bytes) -> bytes:
        """One page without outside parts."""
        drawing = loss_svg.decode("utf-8")
        note = f"<p class=note><b>Generated text.</b> {_text(SAMPLE_NOTICE)}</p>" if self.generated else ""
        body = f"""\
<h1>{_text(self.name)}</h1>
<p>{_text(self.summary)}</p>
{note}
<h2>Loss</h2>
<figure>{drawing[drawing.index("<svg") :]}</figure>
<h2>Nearest words</h2>
{_neighbour_table(self.neighbours)}
<h2>Result</h2>
{_html_table(self.result)}
<h2>Trained on</h2>
{_html_table(self.text)}
<h2>Settings</h2>
{_html_table(self.settings)}
"""
        return _PAGE.format(title=_text(self.name), body=body).encode("utf-8", "backslashreplace")


_USE = """\
```sh
python -m trainer similar WORD --store STORE --name {name}
python -m trainer evaluate {name} --store STORE
python -m app --store STORE
```"""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: training report</title>
<style>
:root {{ color-scheme: light; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }}
h1 {{ margin-bottom: .2em; }}
h2 {{ margin-top: 1.8em; font-size: 1.1rem; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; vertical-align: top; padding: .15rem 1.2rem .15rem 0; font-weight: normal; }}
th {{ color: #666; white-space: nowrap; }}
figure {{ margin: 0; }}
figure svg {{ max-width: 100%; height: auto; }}
small {{ color: #888; }}
.note {{ background: #fff6db; border-left: 4px solid #e6b800; padding: .5rem 1rem; }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def _markdown_table(rows: Rows) -> str:
    lines = ["| | |", "|---|---|"]
    lines += [f"| {key} | {one_line(value).replace('|', chr(92) + '|')} |" for key, value in rows.items()]
    return "\n".join(lines)


def _code(word: str) -> str:
    """A word as Markdown shows it unchanged."""
    ticks = "``" if "`" in word else "`"
    padding = " " if "`" in word else ""
    return f"{ticks}{padding}{one_line(word)}{padding}{ticks}"


def _html_table(rows: Rows) -> str:
    cells = "\n".join(f"<tr><th>{_text(key)}<td>{_text(value)}" for key, value in rows.items())
    return f"<table>\n{cells}\n</table>"


def _neighbour_table(neighbours: Mapping[str, Sequence[Neighbour]]) -> str:
    rows = "\n".join(
        f"<tr><th>{_text(word)}<td>"
        + ", ".join(f"{_text(each.word)} <small>{each.score:.2f}</small>" for each in found)
        for word, found in neighbours.items()
    )
    return f"<table>\n{rows}\n</table>"


def _text(value: str) -> str:
    return html.escape(one_line(value))
