import pytest

from tests.app.serving import TOKENS, VECTORS, publish

FOREVER, ASK_AGAIN = "max-age=31536000, immutable", "no-cache"
QUESTIONS = [
    "/similar?word=car",
    "/similarity?a=car&b=bus",
    "/vectors/car",
    "/next?text=the",
]
OTHERS = ["/models", "/models/sample", "/v1/models", "/v1/models/sample", "/info"]


def get(client, url, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.request("GET", url, headers=headers)


@pytest.mark.parametrize("url", [*QUESTIONS, *OTHERS])
def test_an_answer_that_the_client_has_is_not_sent_again(client, url):
    first = client.get(url)
    assert first.status_code == 200
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == ASK_AGAIN
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = get(client, url, if_none_match=condition)
        assert (again.status_code, again.content) == (304, b""), condition
        assert again.headers["etag"] == etag
        assert again.headers["cache-control"] == ASK_AGAIN
        assert again.headers["x-request-id"]
        assert again.headers.get("vary") == first.headers.get("vary")
        assert "content-type" not in again.headers
        assert "content-length" not in again.headers
    for condition in ('"other"', "", etag.strip('"'), etag[:-2] + '"'):
        again = get(client, url, if_none_match=condition)
        assert (again.status_code, again.content) == (200, first.content), condition


@pytest.mark.parametrize("url", QUESTIONS)
def test_an_answer_from_a_named_version_may_be_kept(client, version, url):
    name = "story" if url.startswith("/next") else "sample"
    version = client.get(f"/models/{name}").json()["version"]
    answer = client.get(f"{url}{'&' if '?' in url else '?'}version={version}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == FOREVER
    assert answer.headers["etag"] == client.get(url).headers["etag"]
    kept = get(client, str(answer.request.url), if_none_match=answer.headers["etag"])
    assert (kept.status_code, kept.headers["cache-control"]) == (304, FOREVER)


@pytest.mark.parametrize("url", ["/similar?word=version%3D", "/similar?word=car&top=3&model=sample"])
def test_what_only_looks_like_a_version_is_none(client, url):
    assert client.get(url).headers.get("cache-control") != FOREVER


def test_what_a_model_is_must_be_asked_after_even_with_a_version(client, version):
    answer = client.get(f"/models/sample?version={version}")
    assert answer.headers["cache-control"] == ASK_AGAIN


def test_a_new_version_has_another_etag(root, open_client):
    publish(root, "sample")
    before = open_client().get("/similar?word=car").headers["etag"]
    publish(root, "sample", vectors=VECTORS[:, ::-1].copy())
    assert open_client().get("/similar?word=car").headers["etag"] != before


def test_different_answers_have_different_etags(client):
    etags = {client.get(f"/similar?word={word}").headers["etag"] for word in TOKENS[:9]}
    assert len(etags) == 9


@pytest.mark.parametrize(
    "url",
    ["/similar?word=nowhere", "/similar?word=car&top=0", "/models/other", "/v1/models/other", "/nothing"],
)
def test_errors_are_not_kept(client, url):
    answer = get(client, url, if_none_match="*")
    assert answer.status_code >= 400
    assert "etag" not in answer.headers
    assert "immutable" not in answer.headers.get("cache-control", "")


def test_questions_in_a_body_are_not_marked(client):
    answer = client.request("POST", "/similar", json={"positive": ["car"]}, headers={"if-none-match": "*"})
    assert answer.status_code == 200
    assert "etag" not in answer.headers


def test_head_has_the_same_headers(client):
    head = client.request("HEAD", "/similar?word=car").headers
    assert head["etag"] == client.get("/similar?word=car").headers["etag"]


def test_over_a_socket_304_has_no_body_and_the_connection_stays(server):
    import httpx

    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as http_client:
        etag = http_client.get("/similar?word=car").headers["etag"]
        for _ in range(3):
            answer = http_client.get("/similar?word=car", headers={"if-none-match": etag})
            assert (answer.status_code, answer.content) == (304, b"")
        assert http_client.get("/similar?word=car").status_code == 200
