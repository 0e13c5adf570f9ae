"""The images, built and run: what the Dockerfile's text cannot tell (make test-container)."""

import contextlib
import json
import socket
import time

import httpx
import pytest

pytestmark = pytest.mark.container

SMALL = ("--recipe", "small", "--dim", "16", "--epochs", "2", "--threads", "1")
HERE = "127.0.0.1"
LIST_CUBINS = """
import os
from pathlib import Path
from trainer.engines.precompile import GPUS, list_programs
folder = Path(os.environ["WORDKIN_CUBINS"])
wanted = {program.filename(gpu.architecture) for gpu in GPUS for program in list_programs(gpu)}
found = {path.name: path.read_bytes()[:4] for path in folder.iterdir()}
print(len(wanted), wanted == set(found), set(found.values()) == {b"\\x7fELF"})
"""
LIST_MODULES = "import pkgutil; print(*(module.name for module in pkgutil.iter_modules()))"


def events(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(address, **options):
    """Of this machine, whatever proxies the environment names."""
    return httpx.get(address, trust_env=False, **options)


def find_port():
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def serving(engine, image, *options, words=("--store", "/store")):
    """A server in a container that is read-only but for its store; gives the address and the container."""
    port = find_port()
    published = ("--publish", f"{HERE}:{port}:8000")
    container = engine("run", "--detach", "--read-only", *published, *options, image, *words).stdout.strip()
    try:
        address, until = f"http://{HERE}:{port}", time.monotonic() + 60
        while True:
            try:
                if ask(f"{address}/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if time.monotonic() > until:
                pytest.fail(engine("logs", container).stderr)
            time.sleep(0.2)
        yield address, container
    finally:
        engine("rm", "--force", container)


@pytest.mark.parametrize("target", ["server", "trainer", "trainer-cuda"])
def test_an_image_runs_as_a_user_without_rights_and_brings_no_compiler(engine, images, target):
    image = images(target)
    shell = ("run", "--rm", "--entrypoint", "sh", image, "-c")
    assert engine(*shell, "id -u; id -g").stdout.split() == ["10001", "10001"]
    find = "for name in gcc cc g++ clang make; do command -v $name; done; true"
    assert engine(*shell, find).stdout == ""
    assert engine(*shell, "touch /usr/bin/x", code=1).stderr
    assert engine("run", "--rm", image, "--help").stdout.startswith("usage:")


def test_the_server_has_what_it_needs_and_nothing_of_the_trainer(engine, images):
    python = ("run", "--rm", "--entrypoint", "python", images("server"), "-c", LIST_MODULES)
    found = set(engine(*python).stdout.split())
    assert {"app", "artifact", "fastapi", "uvicorn", "numpy"} <= found
    assert found.isdisjoint({"cupy", "numba", "scipy", "matplotlib", "httpx"})


@pytest.mark.parametrize("target", ["trainer", "trainer-cuda"])
def test_the_readmes_job_from_text_to_answers(engine, images, here, target):
    job = ("train", "cbow", "/data/corpus.txt", "--name", "mine", "--store", "/store", *SMALL)
    published = events(here.run(images(target), *job))[-1]
    assert published["event"] == "published"
    assert [path.name for path in here.store.iterdir() if not path.name.startswith(".")] == ["mine"]
    [listed] = events(here.run(images(target), "list"))
    assert (listed["name"], listed["version"]) == ("mine", published["version"])
    with serving(engine, images("server"), "--volume", f"{here.store}:/store") as (address, container):
        answer = ask(f"{address}/similar", params={"word": "car", "top": 3}).json()
        assert (answer["model"], answer["version"]) == ("mine", published["version"])
        assert len(answer["results"]) == 3
        assert "explorer/main.js" in ask(f"{address}/").text
        assert ask(f"{address}/explorer/main.js").headers["content-type"].startswith("text/javascript")
        engine("exec", container, "python", "-m", "app.health")
        engine("stop", "--time", "20", container)
        state = engine("inspect", "--format", "{{.State.ExitCode}}", container).stdout
        assert state.strip() == "0"


def test_a_language_model_trains_and_answers(engine, images, here):
    words = ("--store", "/store", "--hidden", "16", "--recipe", "sample-lm", "--epochs", "1")
    here.run(images("trainer"), "train", "rnnlm", "/data/corpus.txt", "--name", "next", *words)
    with serving(engine, images("server"), "--user", here.user, *here.mounts) as (address, _):
        answer = ask(f"{address}/next", params={"text": "the capital of france is"}).json()
        assert len(answer["results"]) == 10


def test_a_volume_needs_no_user(engine, images, text):
    volume = engine("volume", "create").stdout.strip()
    try:
        mounts = ("--volume", f"{text}:/data:ro", "--volume", f"{volume}:/store")
        job = ("train", "cbow", "/data/corpus.txt", "--name", "mine", *SMALL)
        done = engine("run", "--rm", *mounts, images("trainer-cuda"), *job)
        assert events(done)[-1]["store"] == "/store"
        with serving(engine, images("server"), "--volume", f"{volume}:/store", words=()) as (address, _):
            assert ask(f"{address}/info").status_code == 200
    finally:
        engine("volume", "rm", "--force", volume)


def test_a_folder_that_is_somebody_elses_is_named(engine, images, here):
    job = ("train", "cbow", "/data/corpus.txt", "--name", "mine", "--store", "/store", *SMALL)
    done = engine("run", "--rm", *here.mounts, images("trainer-cuda"), *job, code=2)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("wordkin: ")]
    assert "/store/.checkpoints/mine" in line
    assert "Permission denied" in line


def test_no_gpu_is_said_and_auto_goes_without(engine, images, here):
    job = ("train", "cbow", "/data/corpus.txt", "--name", "mine", *SMALL)
    done = here.run(images("trainer-cuda"), *job, "--device", "gpu", code=2)
    assert "use --device cpu" in done.stderr
    assert "Traceback" not in done.stderr
    [training] = [
        event for event in events(here.run(images("trainer-cuda"), *job)) if event["event"] == "training"
    ]
    assert training["device"] == "cpu"


def test_kernels_are_compiled_for_the_usual_gpus(engine, images):
    python = ("run", "--rm", "--entrypoint", "python", images("trainer-cuda"), "-c", LIST_CUBINS)
    count, all_there, all_compiled = engine(*python).stdout.split()
    assert int(count) > 100
    assert (all_there, all_compiled) == ("True", "True")


def test_nccl_is_there_for_several_gpus(engine, images):
    code = "from trainer.engines.cupy_exchange import find_nccl; print(find_nccl().get_version())"
    python = ("run", "--rm", "--entrypoint", "python", images("trainer-cuda"), "-c", code)
    assert int(engine(*python).stdout) >= 21800


def test_compiled_kernels_need_no_place(engine, images, here):
    options = ("--read-only", "--tmpfs", "/tmp", "--env", "CUPY_CACHE_DIR=/nowhere")
    code = "import trainer.backend as b; b._give_cupy_a_cache(); import cupy; print(cupy.__version__)"
    python = ("--entrypoint", "python", *options)
    assert here.run(images("trainer-cuda"), "-c", code, options=python).stdout.startswith("14.")


def test_a_container_that_is_stopped_goes_on(engine, images, here):
    options = ("--user", here.user, *here.mounts, "--env", "WORDKIN_RESUME=auto")
    job = (
        "train",
        "cbow",
        "/data/corpus.txt",
        "--name",
        "mine",
        *SMALL,
        "--engine",
        "plain",
        "--epochs",
        "25",
    )
    container = engine("run", "--detach", *options, images("trainer-cuda"), *job).stdout.strip()
    try:
        until = time.monotonic() + 120
        while '"stage": "train"' not in engine("logs", container).stdout:
            assert time.monotonic() < until
            time.sleep(0.1)
        engine("stop", "--time", "60", container)
        assert engine("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip() == "143"
        assert (here.store / ".checkpoints/mine/current.json").is_file()
        assert not (here.store / "mine").exists()
        engine("start", container)
        assert engine("wait", container, timeout=300).stdout.strip() == "0"
        first = events(engine("logs", container))
        assert sum(event["event"] == "published" for event in first) == 1
        places = [event["words"] for event in first if event.get("stage") == "train"]
        assert places.count(0) == 1  # the second time did not begin at the beginning
    finally:
        engine("rm", "--force", container)


def test_a_sagemaker_job(engine, images, here):
    amazon = here.folder / "ml"
    for name in ("input/config", "input/data/training", "model", "checkpoints", "output"):
        (amazon / name).mkdir(parents=True)
    settings = {"model": "cbow", "dim": "16", "epochs": "2", "recipe": "small", "name": "job"}
    (amazon / "input/config/hyperparameters.json").write_text(json.dumps(settings))
    training = amazon / "input/data/training/corpus.txt"
    training.write_bytes((here.text / "corpus.txt").read_bytes())
    command = ("run", "--rm", "--user", "0", "--volume", f"{amazon}:/opt/ml", images("trainer-cuda"), "train")
    assert events(engine(*command))[-1]["name"] == "job"
    assert (amazon / "model/job/latest").is_file()
    assert not (amazon / "output/failure").exists()
    training.unlink()
    done = engine(*command, code=2)
    assert (amazon / "output/failure").read_text() == done.stderr.splitlines()[-1].removeprefix(
        "wordkin: "
    ) + "\n"
