"""The loss over a training, drawn as SVG."""

from __future__ import annotations

import io
import logging

from trainer.loop import History


def draw_loss(history: History, *, title: str) -> bytes:
    """Mean loss in nats against words trained on, as a self-contained SVG; the same bytes for the same history."""
    # On its first run matplotlib tells the world about its font cache.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    curve = [(point.words / 1e6, point.loss) for point in history.points if point.loss is not None]
    with mpl.rc_context({"svg.hashsalt": "wordkin", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(7.0, 3.2), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.plot(
            [words for words, _ in curve],
            [loss for _, loss in curve],
            color="#2a6fbb",
            linewidth=1.4,
            marker="o" if len(curve) < 30 else "",
            markersize=3,
        )
        axes.set_xlabel("million words")
        axes.set_ylabel("loss (nats)")
        axes.set_title(title, fontsize=10, parse_math=False)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        svg = io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()
