import subprocess
import sys

import pytest


def imported_by(module):
    """The top-level names of everything that importing ``module`` loads, in a fresh process."""
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["app.main", "app.__main__"])
def test_the_server_loads_neither_the_trainer_nor_its_tools(module):
    loaded = imported_by(module)
    assert {"app", "artifact", "fastapi", "numpy"} <= loaded
    assert not loaded & {
        "trainer",
        "numba",
        "llvmlite",
        "cupy",
        "scipy",
        "matplotlib",
        "tqdm",
        "zstandard",
        "httpx",
        "faiss",
    }


def test_the_artifact_loads_neither_the_server_nor_the_trainer():
    loaded = imported_by("artifact.store")
    assert {"artifact", "numpy", "pydantic"} <= loaded
    assert not loaded & {"app", "trainer", "numba", "cupy", "fastapi", "starlette", "uvicorn"}


def test_importing_reads_nothing_from_the_environment():
    code = (
        "import os\n"
        "class Refusing(dict):\n"
        "    def _refuse(self, key, *rest):\n"
        "        assert not str(key).startswith('WORDKIN_'), key\n"
        "    def __getitem__(self, key): self._refuse(key); return super().__getitem__(key)\n"
        "    def get(self, key, *rest): self._refuse(key); return super().get(key, *rest)\n"
        "    def __contains__(self, key): self._refuse(key); return super().__contains__(key)\n"
        "os.environ = Refusing(os.environ)\n"
        "import app.main, app.__main__\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
