"""docs/http.md: every example in it is asked for real, and every route has one."""

import json
import os
import re
import shlex
from pathlib import Path

import httpx
import pytest

from app.keys import draw_key
from tests.app.serving import Server

ADDRESS = "http://127.0.0.1:8000"
TEXT = Path("docs/http.md").read_text("utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"(?m)^##+ ", TEXT)}


def blocks(section, language):
    return re.findall(rf"```{language}\n(.*?)```", SECTIONS[section], re.DOTALL)


def read_curl(command):
    """Method, address and options of a curl command, as far as the document uses it."""
    words = shlex.split(command)
    assert words.pop(0) == "curl"
    method, url, headers, body = "GET", None, {}, None
    while words:
        match words.pop(0):
            case "-X":
                method = words.pop(0)
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "--json":
                method, body = "POST", words.pop(0)
                headers["content-type"] = "application/json"
            case word:
                assert url is None
                assert word.startswith(ADDRESS)
                url = word
    return method, url, {"headers": headers, "content": body}


@pytest.fixture(scope="module")
def guarded(sample_root, version):
    """A server with a key, and the key."""
    secret, key = draw_key("docs", "admin")
    environment = {"WORDKIN_CACHE": str(sample_root.parent / "cache")}
    with Server("--store", sample_root, "--keys", key.format(), environment=environment) as running:
        running.wait()
        yield running, secret


@pytest.fixture
def address(request, server, guarded, monkeypatch, version):
    """The server for a section's examples: one with a key where they use one."""
    running, secret = guarded
    monkeypatch.setenv("WORDKIN_KEY", secret)
    monkeypatch.setenv("VERSION", version)
    uses_key = "WORDKIN_KEY" in SECTIONS[request.getfixturevalue("section")]
    return f"http://127.0.0.1:{(running if uses_key else server).port}"


def test_every_route_has_a_section(client):
    asked = {
        f"{method.upper()} {path}"
        for path, item in client.get("/openapi.json").json()["paths"].items()
        for method in item
    }
    assert {title for title in SECTIONS if re.match(r"(GET|POST|DELETE|PUT) /", title)} == asked


@pytest.mark.parametrize("section", [section for section in SECTIONS if "```sh" in SECTIONS[section]])
def test_curl(section, address):
    shown = [json.loads(block) for block in blocks(section, "json")]
    for place, block in enumerate(blocks(section, "sh")):
        method, url, options = read_curl(os.path.expandvars(block))
        if re.match(r"[A-Z]+ /", section):
            path = re.sub(r"\\{\w+\\}", "[^/?]+", re.escape(section.partition(" ")[2]))
            assert (method, bool(re.match(f"{path}([?]|$)", url.removeprefix(ADDRESS)))) == (
                section.split()[0],
                True,
            )
        answer = httpx.request(method, url.replace(ADDRESS, address), **options)
        if section == "Errors":
            assert 400 <= answer.status_code < 500
        else:
            assert answer.status_code == 200, answer.text
        if shown:
            assert set(answer.json()) == set(shown[place])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "section",
    [
        pytest.param(section, marks=[pytest.mark.clients] if section.startswith("OpenAI") else [])
        for section in SECTIONS
        if "```python" in SECTIONS[section]
    ],
)
def test_python(section, address):
    def check(answer):
        assert answer.status_code in {200, 304}, answer.text

    with httpx.Client(
        base_url=address, event_hooks={"response": [lambda answer: answer.read(), check]}
    ) as client:
        names = {"client": client}
        if "headers=admin" in SECTIONS[section]:
            names["admin"] = {"authorization": f"Bearer {os.environ['WORDKIN_KEY']}"}
        for block in blocks(section, "python"):
            for module in re.findall(r"^from ([\w.]+) import", block, re.MULTILINE):
                pytest.importorskip(module)
            exec(block.replace(ADDRESS, address), names)
