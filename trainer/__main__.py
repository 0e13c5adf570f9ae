"""``python -m trainer``."""

from __future__ import annotations

import io
import sys

from trainer.cli import main

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        # Words come in all scripts, and file names need not be UTF-8: what cannot be written is escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main())
