"""The papers of a published language model: README.md, report.html, and the perplexity of each epoch as a drawing."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.console import one_line
from trainer.corpus.sample import SAMPLE_NOTICE
from trainer.models.rnnlm_learner import Epoch
from trainer.papers import Rows, escape_text, html_table, markdown_table, render_page


@dataclass(frozen=True)
class LanguageCard:
    """What there is to say about a version; every value is for people."""

    name: str
    summary: str
    text: Rows
    settings: Rows
    result: Rows
    generated: bool = False
    license: str = ""

    def to_markdown(self) -> bytes:
        parts = [f"# {self.name}", self.summary]
        if self.generated:
            parts.append(f"**Generated text.** {SAMPLE_NOTICE}")
        parts += ["## Result", markdown_table(self.result), "![Perplexity by epoch](perplexity.svg)"]
        parts += ["## Trained on", markdown_table(self.text), "## Settings", markdown_table(self.settings)]
        parts += ["## Use", _USE.format(name=self.name), _WARNING]
        if self.license:
            parts.append(f"Licence of the model: {one_line(self.license)}")
        return ("\n\n".join(parts) + "\n").encode("utf-8", "backslashreplace")

    def to_html(self, *, plot_svg: bytes) -> bytes:
        """One page without outside parts."""
        drawing = plot_svg.decode("utf-8")
        note = (
            f"<p class=note><b>Generated text.</b> {escape_text(SAMPLE_NOTICE)}</p>" if self.generated else ""
        )
        tables = "".join(
            f"<h2>{title}</h2>\n{html_table(rows)}\n"
            for title, rows in (
                ("Result", self.result),
                ("Trained on", self.text),
                ("Settings", self.settings),
            )
        )
        body = (
            f"<h1>{escape_text(self.name)}</h1>\n<p>{escape_text(self.summary)}</p>\n{note}\n"
            f"<h2>Perplexity</h2>\n<figure>{drawing[drawing.index('<svg') :]}</figure>\n{tables}"
        )
        return render_page(title=self.name, body=body)


def draw_perplexity(epochs: Sequence[Epoch], *, title: str) -> bytes:
    """Perplexity in training and on validation against epochs, as a self-contained SVG; the same bytes for the same epochs."""
    # On its first run matplotlib tells the world about its font cache.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    numbers = [epoch.number for epoch in epochs]
    with mpl.rc_context({"svg.hashsalt": "wordkin", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(7.0, 3.2), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for label, colour, values in (
            ("training", "#9a9a9a", [epoch.train_perplexity for epoch in epochs]),
            ("validation", "#2a6fbb", [epoch.valid_perplexity for epoch in epochs]),
        ):
            axes.plot(
                numbers,
                values,
                color=colour,
                linewidth=1.4,
                marker="o" if len(epochs) < 30 else "",
                markersize=3,
                label=label,
            )
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel("perplexity")
        axes.set_title(title, fontsize=10, parse_math=False)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.legend(frameon=False, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        svg = io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()


_WARNING = "A language model repeats what stands in its text, its prejudices and mistakes included."

_USE = """\
```sh
python -m app --store STORE
curl 'http://127.0.0.1:8000/next?model={name}&text=...'
python -m trainer evaluate {name} --store STORE --text FILE
```"""
