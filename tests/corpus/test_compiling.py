"""Where kernels are kept: beside the source, in NUMBA_CACHE_DIR, or nowhere at all."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

MODULE = """
from numba import types
from trainer.corpus.compiling import kernel

@kernel(types.int64(types.int64))
def double(number):
    return 2 * number
"""

CALL = "import installed; assert installed.double(21) == 42"


def run(folder, **environment):
    (folder / "installed.py").write_text(MODULE)
    subprocess.run(
        [sys.executable, "-B", "-c", CALL],
        check=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", **environment},
    )


def kept(folder):
    return len(list(folder.rglob("installed.double*.nbc")))


def test_beside_the_source(tmp_path):
    run(tmp_path)
    assert kept(tmp_path / "__pycache__") == 1


def test_where_the_installation_cannot_be_written(tmp_path):
    # A file where a folder should be stops the superuser as well.
    installation, home = tmp_path / "installation", tmp_path / "home"
    installation.mkdir()
    (installation / "__pycache__").write_text("")
    run(installation, HOME=str(home), XDG_CACHE_HOME=str(home))
    assert kept(home) == 1
    run(installation, NUMBA_CACHE_DIR=str(tmp_path / "own"))
    assert kept(tmp_path / "own") == 1
    run(
        installation,
        HOME=str(installation / "installed.py"),
        XDG_CACHE_HOME=str(installation / "installed.py"),
    )
    assert kept(installation) == 0
