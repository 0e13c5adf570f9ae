"""What `make test-browser` does before the tests."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.conftest import PROGRAMS

[LOOK] = re.findall(
    r"^\t@(command -v chromium.*?\})$", Path("Makefile").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("program", [*PROGRAMS, None])
def test_chromium_is_installed_only_where_there_is_none(tmp_path, program):
    for name in filter(None, (program, "apt-get")):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n: > '{tmp_path}'/ran-{name}\n")
        path.chmod(0o755)
    shell = shutil.which("sh")
    subprocess.run([shell, "-c", LOOK], env={"PATH": str(tmp_path)}, check=True, capture_output=True)
    assert (tmp_path / "ran-apt-get").exists() == (program is None)
