import hmac
import re
from hashlib import sha256

import pytest
from fastapi import Depends

import app.keys
from app.__main__ import main
from app.keys import Key, KeyRing, draw_key, is_open, parse_keys, read_keys, require_admin
from app.main import create_app
from app.settings import Settings
from artifact.errors import InputError, NameRefused, WordkinError
from tests.app.serving import Client, check_problem, publish

READER, READ_KEY = draw_key("reader", "read")
ADMIN, ADMIN_KEY = draw_key("operator", "admin")
KEYS = f"{READ_KEY.format()},{ADMIN_KEY.format()}"
DIGEST = "0" * 64


def start(root, **options):
    """A client of an application that has a route for admins, as the ones that change what is served are."""
    publish(root, "sample")
    application = create_app(Settings(store=str(root), **options))

    @application.post("/change", dependencies=[Depends(require_admin)])
    async def change():
        return {"changed": True}

    return Client(application)


@pytest.fixture
def client(root):
    with start(root, keys=KEYS) as client:
        yield client


@pytest.fixture
def open_to_all(root):
    with start(root) as client:
        yield client


def bearer(secret):
    return {"authorization": f"Bearer {secret}"}


@pytest.mark.parametrize(
    "headers",
    [
        bearer(READER),
        {"authorization": f"bearer  {READER} "},
        {"x-api-key": READER},
        {"X-API-KEY": ADMIN},
        bearer(ADMIN),
        {"authorization": "Basic eDp5", "x-api-key": READER},
        {**bearer(READER), "x-api-key": "wrong"},
    ],
)
def test_a_key_opens(client, headers):
    assert client.request("GET", "/similar?word=car", headers=headers).status_code == 200
    assert client.request("POST", "/vectors", json={"words": ["car"]}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/similar?word=car", "/models", "/nothing", "/metrics", "/v1/models", "//health/live"]
)
def test_without_a_key(client, path):
    answer = client.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="wordkin"'
    assert "x-request-id" in answer.headers
    if not path.startswith("/v1"):
        assert "X-API-Key" in check_problem(answer, 401, "unauthorized")["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        bearer("wk_wrong"),
        bearer(""),
        bearer(READER + "x"),
        bearer(READER[:-1]),
        bearer(READ_KEY.sha256),
        bearer("x" * 10_000),
        {"x-api-key": ""},
        {"x-api-key": "ÿ".encode("latin-1")},
        {**bearer("wrong"), "x-api-key": READER},
    ],
)
def test_a_wrong_key(client, headers):
    answer = client.request("GET", "/similar?word=car", headers=headers)
    problem = check_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="wordkin", error="invalid_token"'
    assert problem["detail"] == "the key that was sent is not one of this server's"


@pytest.mark.parametrize(
    "path",
    [
        "/health/live",
        "/health/ready",
        "/",
        "/explorer/main.js",
        "/docs",
        "/openapi.json",
        "/docs/files/swagger-ui.css",
    ],
)
def test_what_needs_no_key(client, path):
    assert client.get(path).status_code == 200
    assert client.request("GET", path, headers=bearer("wrong")).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/health/live/", "/health", "/docs/../models", "/similar", "/v2/models/x/ready", "/docsx", "/explorer"],
)
def test_nothing_else_is_open(path):
    assert not is_open(path)


def test_only_an_admin_may_change_what_is_served(client):
    assert client.request("POST", "/change", headers=bearer(ADMIN)).json() == {"changed": True}
    check_problem(client.request("POST", "/change", headers=bearer(READER)), 403, "forbidden")
    check_problem(client.request("POST", "/change"), 401, "unauthorized")
    check_problem(client.request("POST", "/change", headers=bearer("wrong")), 401, "unauthorized")


def test_without_any_key_everybody_may_ask_and_nobody_may_change(open_to_all):
    assert open_to_all.get("/similar", word="car").status_code == 200
    for headers in ({}, bearer("any"), bearer(ADMIN)):
        assert open_to_all.request("GET", "/similar?word=car", headers=headers).status_code == 200
        problem = check_problem(open_to_all.request("POST", "/change", headers=headers), 403, "forbidden")
        assert "--keys-file" in problem["detail"]


def test_all_keys_are_compared_in_constant_time(monkeypatch):
    compared = []

    class Counting:
        @staticmethod
        def compare_digest(a, b):
            compared.append(a)
            return hmac.compare_digest(a, b)

    monkeypatch.setattr(app.keys, "hmac", Counting)
    ring = KeyRing([READ_KEY, ADMIN_KEY])
    assert ring.find(READER.encode()) is READ_KEY
    assert ring.find(b"wrong") is None
    assert compared == [READ_KEY.sha256, ADMIN_KEY.sha256] * 2


def test_a_drawn_key_is_long_random_and_not_in_its_line():
    drawn = {draw_key("a", "read")[0] for _ in range(50)}
    assert len(drawn) == 50
    for secret in drawn:
        assert re.fullmatch(r"wk_[A-Za-z0-9_-]{43}", secret)
    assert READ_KEY.sha256 == sha256(READER.encode()).hexdigest()
    assert READER not in READ_KEY.format()
    with pytest.raises(NameRefused):
        draw_key("a b", "read")


def test_keys_come_from_the_settings_and_from_a_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# the operators\n\n{ADMIN_KEY.format()}  # on call\r\n")
    ring = read_keys(Settings(store="x", keys=READ_KEY.format(), keys_file=str(path)))
    assert ring.keys == (READ_KEY, ADMIN_KEY)
    assert parse_keys("", source="x") == []
    assert not read_keys(Settings(store="x"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            READER,
            "--keys, line 1: a key is written name:read:sha256 or name:admin:sha256; python -m app key makes one",
        ),
        (f"a:root:{DIGEST}", "line 1: a key is written"),
        (f"a:read:{DIGEST[1:]}", "line 1: a key is written"),
        (f"a:read:{DIGEST.replace('0', 'A')}", "line 1: a key is written"),
        (f"a:read:{DIGEST}:x", "line 1: a key is written"),
        (f"b:read:{DIGEST[1:]}1\nsecret", "line 2: a key is written"),
        (f"a b:read:{DIGEST}", "key 'a b' is refused"),
        (f"a:read:{DIGEST},b:read:{DIGEST}", "the sha256 of key a stands twice"),
        (f"a:read:{DIGEST},a:read:{DIGEST[1:]}1", "the name of key a stands twice"),
    ],
)
def test_settings_that_are_no_keys(text, message):
    with pytest.raises(WordkinError, match=re.escape(message)) as caught:
        read_keys(Settings(store="x", keys=text))
    assert "secret" not in str(caught.value)
    assert READER not in str(caught.value)


def test_files_that_cannot_be_used(tmp_path):
    path = tmp_path / "keys"
    for data, message in [
        (None, "No such file"),
        (b"# none\n", "there is no key in it"),
        (b"\xff", "not UTF-8"),
        (b"#" * (1 << 21), "larger than"),
    ]:
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            read_keys(Settings(store="x", keys_file=str(path)))


def test_the_server_does_not_start_with_a_keys_file_that_is_wrong(root, tmp_path, capsys, monkeypatch):
    publish(root, "sample")
    monkeypatch.setenv("WORDKIN_KEYS_FILE", str(tmp_path / "nothing"))
    assert main(["--store", str(root), "--port", "0"]) == 2
    error = f"python -m app: --keys-file {tmp_path / 'nothing'}: No such file or directory\n"
    assert capsys.readouterr().err == error


def test_the_command_that_makes_a_key(capsys):
    assert main(["key", "ops", "--scope", "admin"]) == 0
    secret, line = re.fullmatch(r"key:  (\S+)\nline: (\S+)\n", capsys.readouterr().out).groups()
    [key] = parse_keys(line, source="x")
    assert key == Key("ops", "admin", sha256(secret.encode()).hexdigest())
    assert main(["key", "ops"]) == 0
    assert "line: ops:read:" in capsys.readouterr().out
    for wrong in (["key"], ["key", "a b"], ["key", "a", "--scope", "root"]):
        assert main(wrong) == 2
        assert re.fullmatch(r"python -m app: .+\n", capsys.readouterr().err)


def test_the_published_description_asks_for_a_key_where_one_is_needed(client, open_to_all):
    schema = client.get("/openapi.json").json()
    assert set(schema["components"]["securitySchemes"]) == {"bearer", "apiKey"}
    assert schema["security"] == [{"bearer": []}, {"apiKey": []}]
    assert "security" not in open_to_all.get("/openapi.json").json()


def test_a_hash_is_not_a_key_and_settings_do_not_show_it():
    assert READ_KEY.sha256 not in repr(Settings(store="x", keys=KEYS))
    assert KeyRing([READ_KEY]).find(READ_KEY.sha256.encode()) is None
