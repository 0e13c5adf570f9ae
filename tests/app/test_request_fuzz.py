"""Requests drawn from the published schema and from outside it: no answer is a 5xx, every error is a proper problem."""

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app import schemas, similarity_schemas, vector_schemas, word_schemas
from tests.app.serving import TOKENS

PROBLEM = TypeAdapter(schemas.Problem)
ANSWERS = {
    "/similar": schemas.Neighbours | word_schemas.NeighboursBatch,
    "/analogy": schemas.Neighbours | word_schemas.NeighboursBatch,
    "/doesnt-match": word_schemas.OddWord | word_schemas.OddWords,
    "/vectors": vector_schemas.Vectors,
    "/similarity": similarity_schemas.SimilarityMatrix | similarity_schemas.SimilarityMatrices,
}
FUZZ = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

words = st.sampled_from(TOKENS) | st.text(max_size=20) | st.just("w" * 1001)
names = st.sampled_from(["sample", "other", "", "..", "a/b", "x" * 65]) | st.text(max_size=5)
tops = st.sampled_from([1, 5, 1000, 0, -1, 1001, 10**9, 10**400, 1.0, "3", True, None]) | st.integers()
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=8,
)
floats = st.floats(allow_nan=False, allow_infinity=False)
entries = (
    words
    | st.fixed_dictionaries({"word": words}, optional={"weight": floats})
    | st.fixed_dictionaries({"vector": st.lists(floats, min_size=4, max_size=4)}, optional={"weight": floats})
)
FIELDS = {
    "positive": st.lists(entries, max_size=4),
    "negative": st.lists(entries, max_size=2),
    "among": st.lists(words, max_size=4),
    "exclude": st.lists(words, max_size=2),
    "method": st.sampled_from(["3cosadd", "3cosmul"]),
    "restrict_vocab": tops,
    "min_score": floats,
    "exact": st.booleans(),
    "encoding": st.sampled_from(["float", "base64"]),
    "mode": st.sampled_from(["words", "sets", "texts"]),
    "smoothing": floats,
    "words": st.lists(words, max_size=4),
    "a": words | st.lists(words, max_size=3) | st.lists(st.lists(words, max_size=2), max_size=2),
    "b": words | st.lists(words, max_size=3) | st.lists(st.lists(words, max_size=2), max_size=2),
    "c": words,
    "top": tops,
    "model": names,
    "version": names,
}


def bodies(schema, path):
    """Bodies with the fields of a route, mostly of the right type, sometimes with others."""
    body = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    kinds = [objects(schema, member) for member in body.get("oneOf", [body])]
    return st.one_of(kinds)


def objects(schema, described):
    """Objects with the fields of a schema; where the schema takes one of several, of any of them."""
    if "$ref" not in described:
        return st.one_of([objects(schema, member) for member in described["oneOf"]])
    described = schema["components"]["schemas"][described["$ref"].rpartition("/")[2]]
    fields = {
        name: (
            st.lists(objects(schema, described["properties"][name]["items"]), max_size=3)
            if name == "queries"
            else FIELDS[name] | anything
        )
        for name in described["properties"]
    }
    required = {name: fields.pop(name) for name in described.get("required", [])}
    return st.fixed_dictionaries(required, optional={**fields, "unknown": anything})


def check(answer, success):
    """One answer as it must be, whatever was asked."""
    assert answer.status_code < 500, answer.text
    content = answer.content.decode("utf-8")
    body = json.loads(content, parse_constant=lambda constant: pytest.fail(f"{constant} in an answer"))
    if answer.status_code == 200:
        success.validate_python(body, extra="forbid", strict=True)
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = PROBLEM.validate_python(body, extra="forbid", strict=True)
        assert problem.status == answer.status_code
        assert problem.detail
        assert problem.type.startswith("urn:wordkin:problem:") or problem.type == "about:blank"


@FUZZ
@given(data=st.data())
@pytest.mark.parametrize("path", ANSWERS)
def test_bodies_from_the_schema(client, path, data):
    body = data.draw(bodies(client.app.openapi(), path))
    check(client.request("POST", path, json=body), TypeAdapter(ANSWERS[path]))


@FUZZ
@given(data=st.binary(max_size=200), path=st.sampled_from(sorted(ANSWERS)))
def test_any_bytes_as_a_body(client, path, data):
    answer = client.request("POST", path, content=data, headers={"content-type": "application/json"})
    assert answer.status_code != 200
    check(answer, PROBLEM)


@FUZZ
@given(
    base=st.sampled_from(
        [{"positive": ["car"], "top": 3}, {"a": "king", "b": "man", "c": "queen"}, {"words": ["서울"]}]
    ),
    path=st.sampled_from(sorted(ANSWERS)),
    position=st.integers(0, 60),
    byte=st.integers(0, 255),
)
def test_good_bodies_with_one_byte_changed(client, base, path, position, byte):
    data = bytearray(json.dumps(base, ensure_ascii=False).encode())
    data[position % len(data)] = byte
    answer = client.request("POST", path, content=bytes(data), headers={"content-type": "application/json"})
    check(answer, TypeAdapter(ANSWERS[path]))


@FUZZ
@given(
    path=st.sampled_from(
        [
            "/similar",
            "/similarity",
            "/words",
            "/models",
            "/models/sample",
            "/vectors/car",
            "/health/ready",
            "/",
        ]
    ),
    query=st.lists(
        st.tuples(
            st.sampled_from(["word", "a", "b", "prefix", "top", "model", "version", "x"]),
            words | tops.map(str) | names,
        ),
        max_size=4,
    ),
)
def test_queries(client, path, query):
    answer = client.request("GET", path, params=query)
    if path == "/":
        assert answer.status_code == 200
        return
    success = {
        "/similar": schemas.Neighbours,
        "/similarity": schemas.Similarity,
        "/models": schemas.Models,
        "/models/sample": schemas.ModelDetail,
        "/vectors/car": vector_schemas.Vectors,
        "/words": word_schemas.CountedWords,
        "/health/ready": schemas.Ready,
    }[path]
    check(answer, TypeAdapter(success))


@FUZZ
@given(
    path=st.text(max_size=30),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUX"]),
)
def test_any_path_and_method(client, path, method):
    answer = client.request(method, "/vectors/" + quote(path))
    if answer.content:
        check(answer, TypeAdapter(vector_schemas.Vectors))
