"""What the papers of every kind of model are made of: tables in Markdown and HTML, and a page without outside parts."""

from __future__ import annotations

import html
from collections.abc import Mapping

from trainer.console import one_line

Rows = Mapping[str, str]


def render_page(*, title: str, body: str, what: str = "training report") -> bytes:
    """A whole HTML page around ``body``, which is HTML already; ``title`` and ``what`` are text."""
    return _PAGE.format(title=escape_text(f"{title}: {what}"), body=body).encode("utf-8", "backslashreplace")


def markdown_table(rows: Rows) -> str:
    """Two columns without headings."""
    lines = ["| | |", "|---|---|"]
    lines += [f"| {key} | {one_line(value).replace('|', chr(92) + '|')} |" for key, value in rows.items()]
    return "\n".join(lines)


def html_table(rows: Rows) -> str:
    """Two columns, the first as row headings."""
    cells = "\n".join(f"<tr><th>{escape_text(key)}<td>{escape_text(value)}" for key, value in rows.items())
    return f"<table>\n{cells}\n</table>"


def escape_text(value: str) -> str:
    """One line of text, as HTML."""
    return html.escape(one_line(value))


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
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
