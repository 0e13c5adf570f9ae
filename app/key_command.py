"""python -m app key NAME: a new API key, and the line for the settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import get_args

from app.keys import KeyScope, draw_key
from app.options import Parser


def make_key(arguments: Sequence[str]) -> int:
    """Print a new key, once, and its line. InputError for a mistake of the user's; returns the exit code."""
    parser = Parser(
        prog="python -m app key",
        description="Make an API key. It is shown once; the settings hold its hash alone.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="what the logs call the key")
    parser.add_argument(
        "--scope",
        choices=get_args(KeyScope),
        default="read",
        help="read asks questions; admin may also change what is served",
    )
    given = parser.parse_args(arguments)
    secret, key = draw_key(given.name, given.scope)
    print(f"key:  {secret}")
    print(f"line: {key.format()}")
    return 0
