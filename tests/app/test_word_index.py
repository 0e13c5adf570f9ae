import functools
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from artifact.draft import write_embedding, write_neighbours
from artifact.embedding import compute_norms
from artifact.neighbours import NeighbourTable
from artifact.search import Search
from artifact.store import Store
from artifact.tokenizer import Tokenizer
from artifact.weights import write_tensors
from tests.app.serving import Server, check_problem, open_client_on, publish
from trainer.word_index import build_index

V, D, COUNT = 2_500, 8, 5
TOKENS = [f"w{number}" for number in range(V)]
ASKED = {"positive": ["w3", {"word": "w40", "weight": 0.5}], "negative": ["w99"]}

pytest.importorskip("faiss")
pytestmark = pytest.mark.peers


def make_vectors():
    random = np.random.default_rng(4)
    centres = random.normal(size=(30, D))
    return (centres[random.integers(30, size=V)] + 0.5 * random.normal(size=(V, D))).astype(np.float32)


@pytest.fixture(scope="module")
def index():
    vectors = make_vectors()
    return build_index(vectors, compute_norms(vectors), progress=lambda *_: None, least_words=1)


def publish_index(root, name, index, *, metrics=None, table=False):
    vectors = make_vectors()
    with Store(root, create=True).draft(name) as draft:
        write_embedding(draft, tokens=TOKENS, counts=np.arange(V, 0, -1, dtype=np.int64), vectors=vectors)
        write_tensors(draft.add("index", "index.safetensors"), index.index.to_tensors())
        if table:
            search = Search(vectors, compute_norms(vectors))
            write_neighbours(draft, NeighbourTable(*search.neighbours(np.arange(V), COUNT)))
        return draft.publish(
            kind="embedding",
            tokenizer=Tokenizer("words"),
            recipe={},
            metrics=index.to_json() if metrics is None else metrics,
        )


@pytest.fixture(scope="module")
def index_root(tmp_path_factory, index):
    root = tmp_path_factory.mktemp("indexed") / "store"
    publish_index(root, "indexed", index)
    publish_index(root, "tabled", index, table=True)
    publish(root, "plain")
    return root


@pytest.fixture(scope="module")
def client(index_root):
    with open_client_on(index_root, default_model="indexed") as client:
        yield client


@pytest.fixture(scope="module")
def recall(index):
    return index.index.figures.recall


def ask(client, path="/similar", **body):
    answer = client.post(path, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def check_alike(found, exact):
    """The same scores for the same words, of which nearly all are there."""
    assert "path" not in exact
    assert "recall" not in exact
    scores = {each["word"]: each["score"] for each in exact["results"]}
    shared = [each for each in found["results"] if each["word"] in scores]
    assert len(shared) >= 0.8 * len(scores)
    assert all(each["score"] == scores[each["word"]] for each in shared)


def test_the_answer_says_that_an_index_found_it_and_how_well_that_does(client, recall):
    found = ask(client, **ASKED)
    assert (found["path"], found["recall"]) == ("index", recall)
    assert 0.95 <= found["recall"] <= 1
    assert len(found["results"]) == 10
    check_alike(found, ask(client, **ASKED, exact=True))


def test_analogies_and_raw_vectors(client, recall):
    analogy = {"a": "w1", "b": "w2", "c": "w3"}
    found = ask(client, "/analogy", **analogy)
    assert (found["path"], found["recall"]) == ("index", recall)
    check_alike(found, ask(client, "/analogy", **analogy, exact=True))
    vector = {"positive": [{"vector": make_vectors()[11].tolist()}], "top": 1}
    found = ask(client, **vector)
    assert found["path"] == "index"
    assert found["results"][0]["word"] == "w11"
    check_alike(found, ask(client, **vector, exact=True))


def test_single_words_too(client, recall):
    found = client.get("/similar", word="w77", top=20).json()
    assert (found["path"], found["recall"]) == ("index", recall)
    exact = client.get("/similar", word="w77", top=20, exact="true").json()
    check_alike(found, exact)
    assert exact == ask(client, positive=["w77"], top=20, exact=True)
    assert found == ask(client, positive=["w77"], top=20)


def test_a_table_goes_before_an_index(client, recall):
    held = client.get("/similar", word="w77", top=COUNT, model="tabled").json()
    assert "path" not in held
    assert held == client.get("/similar", word="w77", top=COUNT, model="tabled", exact="true").json()
    assert held == client.get("/similar", word="w77", top=COUNT, model="tabled", exact="false").json()
    more = client.get("/similar", word="w77", top=COUNT + 1, model="tabled").json()
    assert (more["path"], more["recall"]) == ("index", recall)


@pytest.mark.parametrize(
    "narrowed", [{"method": "3cosmul"}, {"restrict_vocab": 500}, {"among": ["w5", "w6"]}, {"top": 900}]
)
def test_what_is_no_question_for_an_index_is_searched(client, narrowed):
    found = ask(client, **ASKED, **narrowed)
    assert "path" not in found
    assert found == ask(client, **ASKED, **narrowed, exact=True)


def test_words_are_left_out_of_what_an_index_finds(client):
    first = [each["word"] for each in ask(client, **ASKED)["results"]]
    found = ask(client, **ASKED, exclude=first)
    assert found["path"] == "index"
    assert len(found["results"]) == 10
    assert not {each["word"] for each in found["results"]} & {*first, "w3", "w40", "w99"}
    least = ask(client, **ASKED)["results"][3]["score"]
    assert len(ask(client, **ASKED, min_score=least - 1e-6)["results"]) == 4


def test_several_questions_say_each_how_they_were_answered(client, recall):
    queries = [ASKED, ASKED | {"exact": True}, {"positive": ["unknown"]}, ASKED | {"restrict_vocab": 50}]
    answers = ask(client, queries=queries)["answers"]
    assert [answer.get("recall") for answer in answers] == [recall, None, None, None]
    assert answers[2]["problem"]["status"] == 404
    alone = ask(client, **ASKED)
    assert answers[0] == {key: value for key, value in alone.items() if key not in {"model", "version"}}


def test_exact_is_understood_without_an_index_and_must_be_a_boolean(client):
    found = ask(client, model="plain", positive=["car"], exact=True)
    assert found == ask(client, model="plain", positive=["car"])
    assert client.get("/similar", word="car", model="plain", exact="true").status_code == 200
    check_problem(client.post("/similar", **ASKED, exact="yes"), 422, "invalid-request")
    check_problem(client.get("/similar", word="car", exact="perhaps"), 422, "invalid-request")
    check_problem(client.post("/similar", positive=["unknown"]), 404, "unknown-word")


def test_the_server_tells_which_models_have_an_index(client, recall):
    features = {model["name"]: model["features"] for model in client.get("/info").json()["models"]}
    assert features == {"indexed": ["index"], "tabled": ["index", "neighbours"], "plain": []}
    model = client.get("/models/indexed").json()
    assert model["metrics"]["index"]["recall_at_10"] == pytest.approx(recall, abs=1e-5)
    assert model["warnings"] == []


def test_without_its_library_the_server_answers_exactly_and_says_why(index_root, client, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with open_client_on(index_root, default_model="indexed") as poor:
        found = ask(poor, **ASKED)
        assert found == ask(client, **ASKED, exact=True)
        assert "path" not in poor.get("/similar", word="w77").json()
        models = {model["name"]: model for model in poor.get("/models").json()["models"]}
        [warning] = models["indexed"]["warnings"]
        assert "wordkin[index]" in warning
        assert models["plain"]["warnings"] == []
        assert poor.get("/health/ready").json()["status"] == "ready"
        assert [model["features"] for model in poor.get("/info").json()["models"]] == [[], [], ["neighbours"]]
    assert any("wordkin[index]" in record.getMessage() for record in caplog.records)


def test_a_server_answers_many_at_once_as_each_alone(index_root, client):
    words = [f"w{number}" for number in range(0, 600, 10)]
    expected = [ask(client, positive=[word], negative=["w99"]) for word in words]
    environment = {"WORDKIN_CACHE": str(index_root.parent / "cache")}
    with (
        Server("--store", index_root, "--default-model", "indexed", environment=environment) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as http,
        ThreadPoolExecutor(16) as pool,
    ):
        server.wait()
        post = functools.partial(http.post, "/similar")
        asked = [{"positive": [word], "negative": ["w99"]} for word in words]
        found = list(pool.map(lambda body: post(json=body).json(), asked))
    assert found == expected
    assert {answer["path"] for answer in found} == {"index"}


def damage_index(root, name, version):
    path = root / name / version / "index.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_damaged_index_is_a_broken_version(root, index, open_client):
    before = publish(root, "indexed", tokens=TOKENS[:12])
    version = publish_index(root, "indexed", index)
    damage_index(root, "indexed", version)
    client = open_client()
    ready = client.get("/health/ready").json()
    assert ready["models"] == {"indexed": before}
    assert (ready["faults"][0]["version"], ready["faults"][0]["reason"]) == (version, "corrupt")


@pytest.mark.parametrize(
    "metrics", [{}, {"index": {"candidates": -1, "recall_at_10": 0.9, "queries": 5}}, {"index": 3}]
)
def test_an_index_of_unknown_recall_is_a_broken_version(root, index, open_client, metrics):
    before = publish(root, "indexed", tokens=TOKENS[:12])
    version = publish_index(root, "indexed", index, metrics=metrics)
    ready = open_client().get("/health/ready").json()
    assert ready["models"] == {"indexed": before}
    assert (ready["faults"][0]["version"], ready["faults"][0]["reason"]) == (version, "corrupt")
    assert "index" in ready["faults"][0]["detail"]
