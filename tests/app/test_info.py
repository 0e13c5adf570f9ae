from app import __version__
from app.keys import draw_key
from artifact.manifest import FORMAT_VERSION
from tests.app.serving import TOKENS, check_problem, publish


def test_what_the_server_is(client, version):
    info = client.get("/info").json()
    assert info["name"] == "wordkin"
    assert info["release"] == __version__
    assert info["artifact_format_version"] == FORMAT_VERSION
    assert info["needs_key"] is False
    assert "openai" in info["interfaces"]
    sample, story = info["models"]
    assert sample == {
        "name": "sample",
        "kind": "embedding",
        "version": version,
        "words": len(TOKENS),
        "dimensions": 4,
        "features": [],
    }
    assert (story["name"], story["kind"], story["dimensions"]) == ("story", "language-model", None)


def test_the_limits_are_those_that_hold(root, open_client):
    publish(root, "sample")
    client = open_client(max_top=70, max_words=5, max_texts=3, max_body_bytes=1234)
    limits = client.get("/info").json()["limits"]
    assert (limits["max_top"], limits["max_words"], limits["max_texts"]) == (70, 5, 3)
    assert limits["max_body_bytes"] == 1234
    assert client.get("/similar", word="car", top=limits["max_top"]).status_code == 200
    assert check_problem(client.get("/similar", word="car", top=71), 422, "invalid-request")["limit"] == 70
    word = "w" * limits["max_word_characters"]
    check_problem(client.get("/similar", word=word), 404, "unknown-word")
    check_problem(client.get("/similar", word=word + "w"), 422, "invalid-request")


def test_a_server_with_keys_says_so(root, open_client):
    publish(root, "sample")
    secret, key = draw_key("reader", "read")
    client = open_client(keys=key.format())
    check_problem(client.get("/info"), 401, "unauthorized")
    info = client.request("GET", "/info", headers={"x-api-key": secret}).json()
    assert info["needs_key"] is True
    assert secret not in str(info)
    assert key.sha256 not in str(info)


def test_it_takes_no_parameters(client):
    check_problem(client.get("/info?verbose=1"), 422, "invalid-request")
