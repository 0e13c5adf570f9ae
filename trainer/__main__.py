"""``python -m trainer``."""

from __future__ import annotations

import sys

from trainer.cli import main
from trainer.console import speak_utf8

if __name__ == "__main__":
    speak_utf8()
    sys.exit(main())
