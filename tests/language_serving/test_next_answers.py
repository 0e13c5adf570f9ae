"""GET /next answered before routing and GET /next answered by the route must not be told apart."""

import contextlib
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from language_serving.models import publish_model

from app.batching import Batcher
from app.main import create_app
from app.plain_queries import Asked, PlainQuery
from app.settings import Settings
from artifact.errors import EmptyQuery
from tests.app.serving import Client, check_problem, list_headers, publish

# The last digit of a probability may depend on how many threads were free.
OF_THE_BYTES = {"etag", "content-length"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("next") / "store"


@pytest.fixture(scope="module")
def versions(root):
    """Of news, oldest first."""
    publish(root, "vectors")
    publish_model(root, "story", seed=3)
    return [publish_model(root, "news", seed=2), publish_model(root, "news")]


@pytest.fixture(scope="module")
def client(root, versions):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORDKIN_CACHE", str(root.parent / "cache"))
        settings = Settings(
            store=str(root), default_language_model="news", max_text_characters=200, max_top=50
        )
        with Client(create_app(settings)) as client:
            yield client


@contextlib.contextmanager
def only_the_route():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainQuery, "read", lambda *_: None)
        yield


def check_alike(client, url, **options):
    """The answer by the shortcut, which must be the answer by the route but for what each answer has of its own."""
    short = client.request("GET", url, **options)
    with only_the_route():
        full = client.request("GET", url, **options)
    assert short.status_code == full.status_code
    told, expected = (answer.json() if answer.content else {} for answer in (short, full))
    if "remaining" in expected:
        assert told.pop("remaining") == pytest.approx(expected.pop("remaining"), rel=1e-4, abs=1e-6)
    results = [each.pop("results", []) for each in (told, expected)]
    assert told == expected
    assert list(map(len, results[0])) == list(map(len, results[1]))
    for mine, its in zip(*results, strict=True):
        assert mine["word"] == its["word"]
        assert mine["probability"] == pytest.approx(its["probability"], rel=1e-4)
    own, its = (sorted(list_headers(answer, but=OF_THE_BYTES)) for answer in (short, full))
    assert own == its
    assert set(short.headers) == set(full.headers)
    return short


@pytest.mark.parametrize(
    "query",
    [
        "text=the+company+said+it",
        "text=the%20company&top=3",
        "top=50&text=the",
        "text=the&top=51",
        "text=the&top=0",
        "text=the&top=007",
        "text=the&top=",
        "text=the&top=+5",
        "text=",
        "text",
        "",
        "text=+%0A+",
        "text=the+company%0Athe",
        "text=the+zebra+zebra+gnu",
        "text=%ED%A0%80",
        "text=%FF",
        "text=the\xe4",
        "text=caf%C3%A9%00",
        "text=the&text=it",
        "text=the&",
        "text=the&size=3",
        "text=the&model=news",
        "text=the&model=story",
        "text=the&model=vectors",
        "text=the&model=none",
        "text=the&model=",
        "text=the&model=n%65ws",
        "text=the&version=",
        "text=the&version=20260101T000000Z-00000000",
        "text=the&prefix=s",
        "text=the&prefix=",
        "text=the&mixture=false",
        "text=the&mixture=x",
        "text=" + "a" * 200,
        "text=" + "a" * 201,
        "text=" + quote("é" * 200),
    ],
)
def test_by_hand(client, query):
    check_alike(client, f"/next?{query}")


words = st.sampled_from(["the", "company", "said", "it", "zebra", "The", "\n", ""]) | st.text(max_size=4)
texts = st.lists(words, max_size=6).map(" ".join)
parts = st.one_of(
    st.builds(lambda text, write: f"text={write(text)}", texts, st.sampled_from([quote, quote_plus])),
    st.builds("top={}".format, st.integers(-1, 60) | st.sampled_from(["", "x", "1e1", " 4"])),
    st.builds("model={}".format, st.sampled_from(["news", "story", "vectors", "none", ""])),
    st.sampled_from(["", "a=b", "text", "prefix=s", "mixture=0", "version=x"]),
)


@hypothesis_settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.lists(parts.filter(str.isascii), min_size=1, max_size=4).map("&".join))
def test_at_random(client, query):
    check_alike(client, f"/next?{query}")


def test_a_plain_question_does_not_reach_the_route(client, monkeypatch):
    expected = client.get("/next", text="the company").json()
    monkeypatch.setattr("app.routes.language._predict", None)
    assert client.get("/next", text="the company").json()["results"] == expected["results"]
    assert client.request("HEAD", "/next?text=the").status_code == 200


def test_a_named_version_is_kept_forever_and_asked_for_once(client, versions):
    for version in versions:
        answer = check_alike(client, f"/next?text=the&model=news&version={version}")
        assert answer.json()["version"] == version
        assert "immutable" in answer.headers["cache-control"]
    again = check_alike(client, "/next?text=the", headers={"if-none-match": "*"})
    assert again.status_code == 304
    assert not again.content


def test_a_request_is_counted_under_its_route(client):
    def count():
        lines = client.get("/metrics").text.splitlines()
        return [
            line
            for line in lines
            if line.startswith("wordkin_request_duration_seconds_count{") and '"/next"' in line
        ]

    before = count()
    client.get("/next", text="the")
    assert count() != before


def test_other_methods_go_to_the_route(client):
    assert check_problem(client.request("DELETE", "/next?text=the"), 405)["status"] == 405
    assert client.post("/next", text="the").status_code == 200


@pytest.mark.parametrize("error", [EmptyQuery("nothing was said"), None])
def test_what_goes_wrong_is_answered_as_the_route_does(client, monkeypatch, error):
    if error is None:
        monkeypatch.setattr(client.app.state.batcher, "most_waiting", 0)
    else:

        async def fail(*_):
            raise error

        monkeypatch.setattr(Batcher, "answer", fail)
    answer = check_alike(client, "/next?text=the")
    check_problem(answer, *((503, "overloaded") if error is None else (422, "empty-query")))


def test_what_is_plain():
    read = PlainQuery(b"text", default_top=10, most_top=50, most_characters=5).read
    assert read(b"text=a") == Asked("a", 10, None, None)
    assert read(b"top=3&model=m&text=a%20b+c&version=v") == Asked("a b c", 3, "m", "v")
    assert read(b"text=") == Asked("", 10, None, None)
    for query in (b"", b"text", b"top=3", b"text=a&top=51", b"text=%ff", b"text=a&prefix=b", b"text=abcdef"):
        assert read(query) is None


def test_keys_are_asked_for_first(root, versions, monkeypatch):
    monkeypatch.setenv("WORDKIN_CACHE", str(root.parent / "cache"))
    keys = "reader:read:" + "0" * 64
    with Client(create_app(Settings(store=str(root), default_language_model="news", keys=keys))) as client:
        check_problem(client.get("/next", text="the"), 401, "unauthorized")
