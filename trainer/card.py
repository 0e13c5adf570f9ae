"""The papers of a published version: README.md for people who find the folder, report.html for those who look closer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from artifact.embedding import Neighbour
from trainer.console import one_line
from trainer.corpus.sample import SAMPLE_NOTICE
from trainer.papers import Rows, escape_text, html_table, markdown_table, render_page


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
    text_heading: str = "Trained on"
    has_loss: bool = True
    """Whether the loss over the training is drawn beside the card."""

    def to_markdown(self) -> bytes:
        parts = [f"# {self.name}", self.summary]
        if self.generated:
            parts.append(f"**Generated text.** {SAMPLE_NOTICE}")
        parts += [
            f"## {self.text_heading}",
            markdown_table(self.text),
            "## Settings",
            markdown_table(self.settings),
            "## Result",
            markdown_table(self.result),
            *(["![The loss over the training](loss.svg)"] if self.has_loss else []),
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

    def to_html(self, *, loss_svg: bytes = b"") -> bytes:
        """One page without outside parts."""
        drawing = loss_svg.decode("utf-8")
        figure = f"<h2>Loss</h2>\n<figure>{drawing[drawing.index('<svg') :]}</figure>" if drawing else ""
        note = (
            f"<p class=note><b>Generated text.</b> {escape_text(SAMPLE_NOTICE)}</p>" if self.generated else ""
        )
        body = f"""\
<h1>{escape_text(self.name)}</h1>
<p>{escape_text(self.summary)}</p>
{note}
{figure}
<h2>Nearest words</h2>
{_neighbour_table(self.neighbours)}
<h2>Result</h2>
{html_table(self.result)}
<h2>{self.text_heading}</h2>
{html_table(self.text)}
<h2>Settings</h2>
{html_table(self.settings)}
"""
        what = "training report" if self.has_loss else "report"
        return render_page(title=self.name, body=body, what=what)


_USE = """\
```sh
python -m trainer similar WORD --store STORE --name {name}
python -m trainer evaluate {name} --store STORE
python -m app --store STORE
```"""


def _code(word: str) -> str:
    """A word as Markdown shows it unchanged."""
    ticks = "``" if "`" in word else "`"
    padding = " " if "`" in word else ""
    return f"{ticks}{padding}{one_line(word)}{padding}{ticks}"


def _neighbour_table(neighbours: Mapping[str, Sequence[Neighbour]]) -> str:
    rows = "\n".join(
        f"<tr><th>{escape_text(word)}<td>"
        + ", ".join(f"{escape_text(each.word)} <small>{each.score:.2f}</small>" for each in found)
        for word, found in neighbours.items()
    )
    return f"<table>\n{rows}\n</table>"
