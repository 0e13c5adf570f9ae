"""GET /similar read from a neighbours table and GET /similar answered by the route must not be told apart."""

import contextlib
import unicodedata
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.main import create_app
from app.plain_queries import Asked, PlainQuery
from app.settings import Settings
from artifact.embedding import Embedding
from artifact.search import Search
from tests.app.serving import (
    TOKENS,
    Client,
    check_problem,
    list_headers,
    open_client_on,
    publish,
    publish_table,
)

COUNT = 6  # of the neighbours that publish_table writes down


@pytest.fixture(scope="module")
def table_root(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "store"


@pytest.fixture(scope="module")
def version(table_root):
    publish_table(table_root, "cased", tokenizer="whitespace")
    publish(table_root, "plain")
    publish(table_root, "story", kind="language-model")
    return publish_table(table_root, "tabled")


@pytest.fixture(scope="module")
def client(table_root, version):
    with open_client_on(table_root, default_model="tabled", max_top=50) as client:
        yield client


@contextlib.contextmanager
def only_the_route():
    """Neither the shortcut nor the table: every answer is searched for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainQuery, "read", lambda *_: None)
        patch.setattr(Embedding, "recall", lambda *_, **__: None)
        yield


def check_alike(client, url, **options):
    """The answer by the shortcut, which must be the answer by the route but for what each answer has of its own."""
    short = client.request("GET", url, **options)
    with only_the_route():
        full = client.request("GET", url, **options)
    assert short.status_code == full.status_code
    assert (short.json() if short.content else None) == (full.json() if full.content else None)
    # The same numbers may be written in different ways.
    kept = [sorted(list_headers(answer, but={"content-length"})) for answer in (short, full)]
    assert kept[0] == kept[1]
    return short


@pytest.mark.parametrize(
    "query",
    [
        "word=car",
        "word=car&top=1",
        f"word=car&top={COUNT}",
        f"word=car&top={COUNT + 1}",
        "word=car&top=50",
        "top=2&word=truck",
        "word=CAR",
        "word=%EC%84%9C%EC%9A%B8",
        "word=" + quote(unicodedata.normalize("NFD", "Naïve")),
        "word=a%2Fb",
        "word=a/b",
        "word=..",
        "word=car&model=tabled",
        "word=car&model=cased",
        "word=Car&model=cased",
        "word=car&model=plain",
        "word=car&model=story",
        "word=car&model=other",
        "word=zero",
        "word=trukc",
        "word=%FF",
        "word=%ED%A0%80",
        "word=c%61r",
        "word=\xe4",
        "word=car%00",
        "word=new+york",
        "word=car&top=0",
        "word=car&top=51",
        "word=car&top=007",
        "word=car&top=+5",
        "word=car&top=%35",
        "word=car&top=5_0",
        "word=car&top=",
        "word=",
        "",
        "word",
        "word=car&",
        "&word=car",
        "word=car&&top=3",
        "word=car&word=bus",
        "word=car&top=3;model=plain",
        "word=car&size=3",
        "word=car&version=",
        "word=car&model=",
        "word=car&version=20260101T000000Z-00000000",
        "word=" + "w" * 1001,
    ],
)
def test_by_hand(client, query):
    check_alike(client, f"/similar?{query}")


words = st.sampled_from([*TOKENS, "Car", "KING", "unknown"]) | st.text(max_size=5)
parts = st.one_of(
    st.builds(lambda word, write: f"word={write(word)}", words, st.sampled_from([quote, quote_plus])),
    st.builds("top={}".format, st.integers(-1, 60) | st.sampled_from(["", "x", "1e1", " 4"])),
    st.builds("model={}".format, st.sampled_from(["tabled", "cased", "plain", "story", "none", ""])),
    st.builds("version={}".format, st.sampled_from(["20260101T000000Z-00000000", "x y"])),
    st.sampled_from(["", "a=b", "word"]),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.lists(parts.filter(str.isascii), min_size=1, max_size=4).map("&".join))
def test_at_random(client, query):
    check_alike(client, f"/similar?{query}")


def test_a_named_version_is_kept_forever_and_asked_for_once(client, version):
    answer = check_alike(client, f"/similar?word=car&version={version}")
    assert "immutable" in answer.headers["cache-control"]
    condition = {"if-none-match": answer.headers["etag"]}
    again = check_alike(client, f"/similar?word=car&version={version}", headers=condition)
    assert again.status_code == 304
    assert not again.content


def test_the_table_alone_answers(client, version, monkeypatch):
    expected = client.get("/similar", word="car", top=COUNT).json()
    assert expected["version"] == version
    assert [result["word"] for result in expected["results"]][:2] == ["truck", "bus"]
    monkeypatch.setattr(Search, "nearest", None)
    assert client.get("/similar", word="Car", top=COUNT).json() == expected
    assert client.request("HEAD", f"/similar?word=car&top={COUNT}").status_code == 200


def test_other_methods_go_to_the_route(client):
    problem = check_problem(client.request("DELETE", "/similar?word=car"), 405)
    assert "GET" in problem["detail"]


def test_a_request_is_counted_under_its_route(client):
    client.get("/similar", word="car")
    assert 'route="/similar"' in client.get("/metrics").text


def make_query(*, max_top):
    return PlainQuery(b"word", default_top=10, most_top=max_top, most_characters=30)


def test_what_is_plain():
    read = make_query(max_top=100).read
    assert read(b"word=a") == Asked("a", 10, None, None)
    assert read(b"top=3&model=m&word=a%20b+c&version=v") == Asked("a b c", 3, "m", "v")
    for query in (
        b"",
        b"word=" + b"a" * 31,
        b"word=a&top=101",
        b"word=a&word=b",
        b"word=\xff",
        b"word=%ff",
        b"x=y&word=a",
    ):
        assert read(query) is None


def test_a_large_top_is_asked_of_a_small_server_in_vain():
    assert make_query(max_top=10).read(b"word=car&top=20") is None
    assert make_query(max_top=5).read(b"word=car") is None


def test_keys_are_asked_for_before_a_table_is_read(table_root, version, monkeypatch):
    monkeypatch.setenv("WORDKIN_CACHE", str(table_root.parent / "cache"))
    keys = "reader:read:" + "0" * 64
    with Client(create_app(Settings(store=str(table_root), default_model="tabled", keys=keys))) as client:
        check_problem(client.get("/similar", word="car"), 401, "unauthorized")
