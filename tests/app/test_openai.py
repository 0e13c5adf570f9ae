"""The wire shapes of /v1, through httpx. tests/clients has the real clients."""

import base64
import json

import numpy as np
import pytest

from app.keys import draw_key
from artifact.embedding import Embedding
from artifact.store import Store
from artifact.texts import embed_texts
from tests.app.serving import publish


@pytest.fixture(scope="module")
def model(sample_root, version) -> Embedding:
    return Store(sample_root).open("sample", version).embedding()


def embed(client, texts, **fields):
    return client.post("/v1/embeddings", input=texts, **{"model": "sample", **fields})


def check_error(response, status, *, kind="invalid_request_error", param=None, code=None):
    """The message of an error answer in OpenAI's shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["x-request-id"]
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert (body["error"]["type"], body["error"]["param"], body["error"]["code"]) == (kind, param, code)
    assert "\n" not in body["error"]["message"]
    return body["error"]["message"]


def test_one_text_and_several(client, version, model):
    texts = ["The car, the truck", "서울 king nowhere"]
    answer = embed(client, texts)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    expected = embed_texts(model, texts, normalise=True)
    assert [item["index"] for item in body["data"]] == [0, 1]
    assert [item["object"] for item in body["data"]] == ["embedding", "embedding"]
    np.testing.assert_array_equal(np.float32([item["embedding"] for item in body["data"]]), expected)
    del body["data"]
    assert body == {
        "object": "list",
        "model": "sample",
        "version": version,
        "settings": {
            "weighting": "smooth-inverse-frequency",
            "a": 0.001,
            "frequencies": "counts",
            "normalised": True,
        },
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    [alone] = embed(client, texts[0]).json()["data"]
    np.testing.assert_array_equal(np.float32(alone["embedding"]), expected[0])


def test_base64_is_little_endian_float32(client, model):
    answer = embed(client, ["car", "a/b truck car"], encoding_format="base64", user="someone").json()
    rows = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in answer["data"]]
    np.testing.assert_array_equal(rows, embed_texts(model, ["car", "a/b truck car"], normalise=True))


def test_a_version_is_named_after_an_at_sign(client, version):
    assert embed(client, "car", model=f"sample@{version}").json()["version"] == version
    message = check_error(
        embed(client, "car", model="sample@other"), 404, param="model", code="model_not_found"
    )
    assert message == "sample has no version other"


@pytest.mark.parametrize(
    "name", ["other", "text-embedding-3-small", "a/b", "sample@", "@", "x" * 150, "sample@a@b"]
)
def test_unknown_models(client, name):
    message = check_error(embed(client, "car", model=name), 404, param="model", code="model_not_found")
    assert "/models lists what there is" in message


def test_a_language_model_has_no_vectors(client):
    check_error(embed(client, "car", model="story"), 400, param="model", code="wrong_kind")


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]], [[]]])
def test_token_ids_are_refused_and_the_message_says_why(client, tokens):
    message = check_error(embed(client, tokens), 400, param="input", code="invalid_value")
    assert "Token ids are not read" in message
    assert "check_embedding_ctx_length=False" in message


@pytest.mark.parametrize(
    "texts", [[], [""], "", None, 3, True, {"a": "car"}, [None], ["car", 3], ["car", ["car"]], [1.5]]
)
def test_inputs_that_are_no_texts(client, texts):
    check_error(embed(client, texts), 400, param="input", code="invalid_value")


def test_a_text_of_unknown_words_only_is_an_error(client):
    answer = embed(client, ["car", "trukc wagn"])
    message = check_error(answer, 400, param="input", code="unknown_words")
    assert message == "text 1 has no known word; not in the vocabulary: 'trukc', 'wagn'"
    assert "text 1 has no words" in check_error(
        embed(client, ["car", "!?"]), 400, param="input", code="empty_input"
    )
    assert "cancel out" in check_error(embed(client, "zero"), 400, param="input", code="empty_input")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"dimensions": 3}, "dimensions"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "4"}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"encoding_format": None}, "encoding_format"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"user": 3}, "user"),
        ({"top": 3}, None),
    ],
)
def test_wrong_fields(client, fields, param):
    check_error(embed(client, "car", **fields), 400, param=param, code="invalid_value")


def test_the_dimensions_that_the_model_has_are_allowed(client):
    assert embed(client, "car", dimensions=4).status_code == 200


def test_a_model_must_be_named(client):
    answer = client.post("/v1/embeddings", input="car")
    assert "body.model" in check_error(answer, 400, param="model", code="invalid_value")


def test_more_texts_than_the_limit(root, open_client):
    publish(root, "sample")
    client = open_client(max_texts=3)
    assert embed(client, ["car"] * 3).status_code == 200
    message = check_error(embed(client, ["car"] * 4), 400, param="input", code="invalid_value")
    assert "At most 3 texts" in message


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("POST", "/v1/embeddings", {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "malformed_json"),
        ("POST", "/v1/embeddings", {"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "unsupported_media_type"),
        ("POST", "/v1/embeddings", {"content": b" " * (1 << 21), "headers": {"content-type": "application/json"}}, 413, "body_too_large"),
        ("POST", "/v1/embeddings?x=1", {"json": {"model": "sample", "input": "car"}}, 400, "invalid_value"),
        ("POST", "/v1/embeddings", {}, 400, "invalid_value"),
        ("GET", "/v1/" + "x" * 20_000, {}, 414, "uri_too_long"),
        ("GET", "/v1/embeddings", {}, 405, None),
        ("POST", "/v1/models", {}, 405, None),
        ("GET", "/v1/", {}, 404, None),
        ("GET", "/v1/chat/completions", {}, 404, None),
        ("POST", "/v1/embeddings/", {"json": {}}, 404, None),
    ],
    ids=range(11),
)  # fmt: skip
def test_every_error_has_the_shape(client, method, path, options, status, code):
    check_error(client.request(method, path, **options), status, code=code)


def test_keys_and_rates_have_it_too(root, open_client):
    publish(root, "sample")
    secret, key = draw_key("reader", "read")
    client = open_client(keys=key.format(), rate_limit=2)
    answer = embed(client, "car")
    check_error(answer, 401, code="invalid_api_key")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    check_error(client.get("/v1/models"), 401, code="invalid_api_key")
    headers = {"authorization": f"Bearer {secret}"}
    body = {"model": "sample", "input": "car"}
    answers = [client.request("POST", "/v1/embeddings", json=body, headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    check_error(answers[3], 429, kind="rate_limit_error", code="rate_limit_exceeded")
    assert answers[3].headers["retry-after"]


def test_an_unforeseen_failure_has_it_too(client, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("pa55word")

    monkeypatch.setattr("app.routes.openai.embed_tokens", fail)
    answer = embed(client, "car")
    assert "pa55word" not in answer.text
    assert check_error(answer, 500, kind="server_error", code="internal_error").startswith("the server's log")


def test_what_is_not_under_v1_keeps_its_shape(client):
    for path in ("/v1", "/v1x/models", "/x/v1/models"):
        assert client.get(path).headers["content-type"] == "application/problem+json"


def test_the_models_are_listed(client, version):
    body = client.get("/v1/models").json()
    [sample] = body["data"]
    assert body == {"object": "list", "data": [sample]}
    assert sample["created"] == 1767225600 + int(version[13:15]) + 60 * int(version[11:13])
    del sample["created"]
    assert sample == {
        "id": "sample",
        "object": "model",
        "owned_by": "wordkin",
        "version": version,
        "dimensions": 4,
    }


def test_one_model(client, version):
    [listed] = client.get("/v1/models").json()["data"]
    for name in ("sample", f"sample@{version}"):
        assert client.get(f"/v1/models/{name}").json() == listed
    check_error(client.get("/v1/models/other"), 404, param="model", code="model_not_found")
    check_error(client.get("/v1/models/story"), 400, param="model", code="wrong_kind")
    check_error(client.get("/v1/models/" + "x" * 300), 400, param="model", code="invalid_value")


def test_the_bytes_are_strict_json(client):
    text = embed(client, ["car", "king"]).content.decode("ascii")
    json.loads(text, parse_constant=pytest.fail)
