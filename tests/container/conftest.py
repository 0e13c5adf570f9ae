import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from container.bases import find_bases
from container.engine import ROOT, Engine, find_engine


@pytest.fixture(scope="session")
def engine(request, tmp_path_factory):
    """Docker or podman. Images take minutes and gigabytes, so that nothing is built unless ``--require-container`` asks."""
    if not request.config.getoption("--require-container"):
        pytest.skip("images are built by make test-container")
    found = find_engine(tmp_path_factory.mktemp("engine"))
    if found is None:
        pytest.fail("neither Docker answers nor podman is installed")
    return found


@pytest.fixture(scope="session")
def images(engine, tmp_path_factory):
    """Builds a target of the Dockerfile, once, and returns its image."""
    bases = find_bases(engine, tmp_path_factory.mktemp("bases"))
    given = [word for name, image in bases.items() for word in ("--build-arg", f"{name}={image}")]
    print("bases:", bases or "those of the Dockerfile", file=sys.stderr)
    built = {}

    def build(target):
        if target not in built:
            image, started = f"localhost/wordkin-test/{target}", time.monotonic()
            engine("build", *engine.building, *given, "--target", target, "--tag", image, ROOT, timeout=3000)
            size = int(engine("image", "inspect", "--format", "{{.Size}}", image).stdout)
            print(f"{target}: {size / 1e6:,.0f} MB in {time.monotonic() - started:.0f} s", file=sys.stderr)
            built[target] = image
        return built[target]

    return build


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    """A folder with a small text, corpus.txt."""
    folder = tmp_path_factory.mktemp("data")
    folder.chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "trainer",
        "sample",
        "--output",
        folder / "corpus.txt",
        "--sentences",
        "20000",
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return folder


@dataclass
class Here:
    """A folder of the person who starts a container, with ``store`` in it, and who that is."""

    folder: Path
    engine: Engine
    text: Path
    user: str

    def __post_init__(self):
        self.store = self.folder / "store"
        self.store.mkdir()
        os.chown(self.store, *map(int, self.user.split(":")))

    @property
    def mounts(self):
        return ("--volume", f"{self.text}:/data", "--volume", f"{self.store}:/store")

    def run(self, image, *words, options=(), code=0):
        who = ("--user", self.user, *self.engine.own_user)
        return self.engine("run", "--rm", *who, *self.mounts, *options, image, *words, code=code)


@pytest.fixture
def here(engine, text, tmp_path_factory):
    # Root may start containers as anybody, so that it plays somebody; others are themselves.
    user = "4321:4321" if os.geteuid() == 0 else f"{os.getuid()}:{os.getgid()}"
    return Here(tmp_path_factory.mktemp("here"), engine, text, user)
