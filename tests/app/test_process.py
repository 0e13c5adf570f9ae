"""python -m app as its user meets it: what it says, how it ends, what it does under many requests."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.__main__ import main
from app.settings import Settings, parse_settings
from artifact.errors import InputError
from tests.app.serving import Server, damage, publish


def run(*arguments, environment=None):
    """The end of a start that must fail: exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "app", *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_mistake_is_one_line_and_exit_2(tmp_path):
    code, out, error = run("--store", tmp_path / "nothing")
    assert (code, out) == (2, "")
    assert error == f"python -m app: there is no store at {tmp_path / 'nothing'}\n"


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {}, r"the store must be named: --store STORE, or WORDKIN_STORE"),
        (["--stroe", "x"], {}, r"unrecognized arguments: --stroe x \(see python -m app --help\)"),
        (["--sto", "x"], {}, r"unrecognized arguments: --sto x .*"),
        (["--store"], {}, r"argument --store: expected one argument .*"),
        (["--store", "x", "--port", "http"], {}, r"--port: 'http' is not a whole number"),
        (["--store", "x", "--port", "65536"], {}, r"--port must be 0 to 65535, not 65536"),
        (["--store", "x", "--port", "9" * 5000], {}, r"--port: '9{40}' is not a whole number"),
        (["--store", "x", "--workers", "0"], {}, r"--workers must be 1 to 256, not 0"),
        (["--store", "x", "--max-top", "0"], {}, r"--max-top must be 1 to 100000, not 0"),
        (["--store", "x", "--default-model", "../x"], {}, r"model '\.\./x' is refused: .*"),
        (["--store", "x", "--host", "no such host"], {}, r"--host 'no such host': no such address"),
        (
            ["--store", "x", "--host", "203.0.113.1", "--port", "0"],
            {},
            r"cannot listen on 203\.0\.113\.1 port 0: .*",
        ),
        (["--store", "x", "--host", ""], {}, r"--host '': .*"),
        (["--store", "x"], {"WORDKIN_PORT": "http"}, r"WORDKIN_PORT: 'http' is not a whole number"),
    ],
)
def test_mistakes(monkeypatch, capsys, arguments, environment, message):
    for name in [name for name in os.environ if name.startswith("WORDKIN_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    port = [] if "--port" in arguments or "WORDKIN_PORT" in environment else ["--port", "0"]
    assert main([*port, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(f"python -m app: {message}\n", captured.err), captured.err


def test_a_port_in_use(root, capsys):
    publish(root, "sample")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--store", str(root), "--port", str(port)]) == 2
    expected = f"python -m app: cannot listen on 127.0.0.1 port {port}: the port is in use; --port 0 takes a free one\n"
    assert capsys.readouterr().err == expected


def test_a_store_without_a_model(tmp_path):
    (tmp_path / "store").mkdir()
    code, out, error = run("--store", tmp_path / "store", "--port", "0")
    assert (code, out) == (2, "")
    assert (
        error
        == f"python -m app: there is no model in {tmp_path / 'store'}; python -m trainer train makes one\n"
    )


def test_a_store_with_only_broken_versions(root):
    damage(root, "sample", publish(root, "sample"))
    code, out, error = run("--store", root, "--port", "0")
    assert (code, out) == (2, "")
    assert "Traceback" not in error
    last = error.splitlines()[-1]
    assert re.fullmatch(r"python -m app: no model in .* can be served: sample/.*sha256.*", last)


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_settings(["--help"], {})
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for option in ["--store STORE", "--host HOST", "--port PORT", "--workers N", "--default-model NAME"]:
        assert option in text
    assert "WORDKIN_" in text


def test_flag_then_environment_then_default():
    environment = {
        "WORDKIN_STORE": "env",
        "WORDKIN_PORT": "9",
        "WORDKIN_HOST": "",
        "WORDKIN_MAX_TOP": "7",
        "PORT": "1",
    }
    settings = parse_settings(["--port", "10", "--workers", "2"], environment)
    assert settings == Settings(store="env", port=10, workers=2, max_top=7)
    assert settings.host == "127.0.0.1"


def test_settings_are_checked_wherever_they_come_from():
    with pytest.raises(InputError, match="--port must be"):
        Settings(store="x", port=-1)
    with pytest.raises(InputError, match="the store must be named"):
        Settings(store="")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(root, stop):
    version = publish(root, "sample")
    damage(root, "bad", publish(root, "bad"))
    with Server("--store", root) as server:
        server.wait()
        # A connection that stays open must not keep it.
        idle = httpx.Client(base_url=f"http://127.0.0.1:{server.port}")
        assert idle.get("/similar", params={"word": "car"}).status_code == 200
        code, said = server.stop(stop)
        idle.close()
    assert code == 0
    lines = said.splitlines()
    assert f"serving sample {version} (embedding)" in lines
    assert [line.split()[:4] for line in lines if "bad" in line] == [["WARNING:", "cannot", "serve", "bad"]]
    assert (
        f"listening on http://127.0.0.1:{server.port} (documentation: http://127.0.0.1:{server.port}/docs)"
        in lines
    )
    assert "Traceback" not in said


def test_settings_from_the_environment_and_several_workers(root):
    publish(root, "a")
    publish(root, "b")
    environment = {"WORDKIN_STORE": str(root), "WORDKIN_DEFAULT_MODEL": "b", "WORDKIN_WORKERS": "2"}
    with Server(environment=environment) as server:
        server.wait()
        for _ in range(10):
            answer = httpx.get(f"http://127.0.0.1:{server.port}/similar", params={"word": "car"})
            assert answer.json()["model"] == "b"
        code, said = server.stop(signal.SIGTERM)
    assert code == 0
    assert "Traceback" not in said


def test_many_requests_at_once_get_their_own_answers(server):
    url = f"http://127.0.0.1:{server.port}"
    words = ["car", "king", "queen", "man", "woman", "서울", "naïve"]
    with httpx.Client(base_url=url) as one:
        alone = {word: one.get("/similar", params={"word": word}).json() for word in words}
        vectors = {word: one.get(f"/vectors/{word}").json() for word in words}
    assert len({str(answer["results"]) for answer in alone.values()}) == len(words)
    barrier = threading.Barrier(16)

    def ask(number):
        with httpx.Client(base_url=url, timeout=30) as http_client:
            barrier.wait()
            for step in range(30):
                word = words[(number + step) % len(words)]
                assert http_client.get("/similar", params={"word": word}).json() == alone[word]
                assert http_client.post("/vectors", json={"words": [word]}).json() == vectors[word]
                assert http_client.get("/similar", params={"word": "nothing"}).status_code == 404
                assert (
                    http_client.post(
                        "/analogy", content=b"{", headers={"content-type": "application/json"}
                    ).status_code
                    == 400
                )

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))


def test_liveness_does_not_wait_for_arithmetic(root, open_client, monkeypatch):
    publish(root, "sample")
    client = open_client()
    release = threading.Event()
    waiting = threading.Semaphore(0)

    def block(*_, **__):
        waiting.release()
        assert release.wait(30)
        return []

    monkeypatch.setattr("artifact.embedding.Embedding.similar", block)
    with ThreadPoolExecutor(50) as pool:
        # More questions than there are threads for them.
        asked = [pool.submit(client.get, "/similar", word="car") for _ in range(50)]
        for _ in range(40):
            assert waiting.acquire(timeout=30)
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 200
        release.set()
        assert {future.result().status_code for future in asked} == {200}
