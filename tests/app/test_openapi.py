import re

import pytest
from pydantic import TypeAdapter

from app.errors import ProblemType
from app.main import create_app
from app.openai_schemas import OpenAIError
from app.schemas import Problem
from app.settings import Settings


@pytest.fixture(scope="module")
def schema(client):
    return client.get("/openapi.json").json()


def operations(schema):
    return [
        (method, path, operation)
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    ]


def list_models(part):
    """The names of the schemas that a body or an answer may have."""
    schema = part["content"]["application/json"]["schema"]
    members = schema.get("oneOf") or schema.get("anyOf") or [schema]
    return [member["$ref"].rpartition("/")[2] for member in members]


def walk(node):
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from walk(child)


def test_every_route_is_there(schema):
    assert {f"{method} {path}" for method, path, _ in operations(schema)} == {
        "get /similar",
        "post /similar",
        "post /analogy",
        "post /doesnt-match",
        "get /words",
        "get /vectors/{word}",
        "post /vectors",
        "get /similarity",
        "post /similarity",
        "get /next",
        "post /next",
        "post /score",
        "post /generate",
        "get /models",
        "get /models/{name}",
        "post /models/{name}/reload",
        "post /models/{name}/pin",
        "delete /models/{name}/pin",
        "get /health/live",
        "get /health/ready",
        "get /info",
        "get /metrics",
        "get /v1/models",
        "get /v1/models/{model}",
        "post /v1/embeddings",
        "get /v2",
        "get /v2/health/live",
        "get /v2/health/ready",
        "get /v2/models/{name}/ready",
    }


def test_every_operation_is_described_and_answers_with_a_schema(schema):
    names = [operation["operationId"] for _, _, operation in operations(schema)]
    assert len(set(names)) == len(names)
    for method, path, operation in operations(schema):
        assert operation["summary"], path
        assert operation["description"], path
        if path != "/metrics":
            assert list_models(operation["responses"]["200"]), path
        if "requestBody" in operation:
            assert method == "post", path
            assert operation["requestBody"]["required"], path


def test_what_must_be_given_stands_first(client, schema):
    names = [parameter["name"] for parameter in schema["paths"]["/similar"]["get"]["parameters"]]
    assert names == ["word", "model", "version", "top", "exact"]
    assert (
        f"the query parameters here are {', '.join(names)}" in client.get("/similar", size=3).json()["detail"]
    )


def test_every_parameter_has_an_example_or_says_what_it_is(schema):
    for _, path, operation in operations(schema):
        for parameter in operation.get("parameters", []):
            told = {**parameter["schema"], **parameter}
            assert told.keys() & {"example", "examples", "description"}, (path, parameter["name"])


def test_every_error_is_in_its_shape_with_examples_of_it(schema):
    seen = set()
    for _, path, operation in operations(schema):
        errors = {
            status: answer
            for status, answer in operation["responses"].items()
            if status not in {"200", "304"}
        }
        assert "500" in errors, path
        media_type, model, shape = "application/problem+json", Problem, "Problem"
        if path.startswith("/v1/"):
            media_type, model, shape = "application/json", OpenAIError, "OpenAIError"
            assert "422" not in errors
        for status, answer in errors.items():
            assert list(answer["content"]) == [media_type], (path, status)
            content = answer["content"][media_type]
            assert content["schema"] == {"$ref": f"#/components/schemas/{shape}"}
            assert content["examples"], (path, status)
            for example in content["examples"].values():
                problem = TypeAdapter(model).validate_python(example["value"], extra="forbid")
                if model is Problem:
                    assert str(problem.status) == status
                    seen.add(problem.type)
    declared = {
        value for value in vars(__import__("app.errors").errors).values() if isinstance(value, ProblemType)
    }
    assert seen == {problem.uri for problem in declared}
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_what_guards_may_answer_is_listed_wherever_they_stand(schema):
    for _, path, operation in operations(schema):
        is_open = path.startswith(("/health/", "/v2/health/"))
        for status in ("401", "429"):
            assert (status in operation["responses"]) != is_open, (path, status)
        assert ("403" in operation["responses"]) == path.endswith(("/reload", "/pin")), path


def test_answers_that_may_be_kept_say_so(client, schema):
    marked = {
        f"{method} {path}"
        for method, path, operation in operations(schema)
        if "304" in operation["responses"]
    }
    assert {"get /similar", "get /models", "get /v1/models", "get /info"} <= marked
    assert all(name.startswith("get ") for name in marked)
    assert not any("health" in name or "metrics" in name for name in marked)
    answer = schema["paths"]["/similar"]["get"]["responses"]
    assert {"etag", "cache-control"} <= set(answer["200"]["headers"])
    assert "content" not in answer["304"]


def test_every_reference_leads_somewhere(schema):
    references = {node["$ref"] for node in walk(schema) if isinstance(node, dict) and "$ref" in node}
    assert references == {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}


def test_every_body_has_an_example_that_is_answered(client, schema):
    for _, path, operation in operations(schema):
        if "requestBody" in operation:
            for name in list_models(operation["requestBody"]):
                [example] = schema["components"]["schemas"][name]["examples"]
                if "{" not in path:
                    answer = client.request("POST", path, json=example)
                    assert answer.status_code == 200
                    assert "problem" not in answer.text


def test_the_limits_of_this_server_are_published():
    schema = create_app(Settings(store="x", max_top=77, max_words=88, max_batch=99)).openapi()
    [top] = [p for p in schema["paths"]["/similar"]["get"]["parameters"] if p["name"] == "top"]
    assert (top["schema"]["minimum"], top["schema"]["maximum"], top["schema"]["default"]) == (1, 77, 10)
    similar = schema["components"]["schemas"]["SimilarBody"]["properties"]
    assert similar["top"]["maximum"] == 77
    assert similar["positive"]["maxItems"] == 88
    assert schema["components"]["schemas"]["SimilarBatch"]["properties"]["queries"]["maxItems"] == 99
    assert "x-limit" not in str(schema)


def test_the_documentation_needs_no_internet(client):
    page = client.get("/docs")
    assert page.status_code == 200
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 3
    for link in links:
        # Relative, so that they hold behind a proxy that has put the server into a folder.
        assert not link.startswith("/")
        file = client.get(f"/{link}")
        assert file.status_code == 200
        assert len(file.content) > 100
        if link.endswith(".css"):
            assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", file.text)
    assert "url: 'openapi.json'" in page.text
    assert '"validatorUrl": null' in page.text
    assert client.get("/redoc").status_code == 404
