"""Training, looking and pruning where the store is at a URL, and serving from it."""

import pytest

from app.main import create_app
from app.settings import Settings
from artifact.remote import open_store
from tests.app.serving import Client

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store():
    files = fsspec.filesystem("memory")
    if files.exists("/farms"):
        files.rm("/farms", recursive=True)
    return "memory://farms/models"


def test_a_model_is_trained_into_it_and_served_from_it(train, run, store):
    last = train().last
    assert last["store"] == store
    assert [record["version"] for record in run("list", "--store", store).records] == [last["version"]]
    outcome = run("similar", "car", "--store", store)
    assert outcome.last["version"] == last["version"]
    with Client(create_app(Settings(store=store))) as client:
        answer = client.get("/similar", word="car").json()
        assert answer["version"] == last["version"]
        assert answer["results"][0]["word"] == outcome.last["results"][0]["word"]


def test_training_goes_on_from_it(train, store):
    first = train("--epochs", "1").last["version"]
    second = train("--epochs", "1", "--resume-from", "farm").last["version"]
    recipe = open_store(store).manifest("farm", second).recipe
    assert recipe["resumed_from"] == f"farm@{first}"


def test_verify_and_prune(train, run, store):
    versions = [train("--epochs", "1", "--seed", str(seed)).last["version"] for seed in (1, 2)]
    assert run("verify", "--store", store).code == 0
    path = f"/farms/models/farm/{versions[0]}/vocabulary.txt"
    files = fsspec.filesystem("memory")
    files.pipe_file(path, files.cat_file(path).replace(b"car", b"cab"))
    outcome = run("verify", "--store", store)
    assert outcome.code == 1
    assert [record["ok"] for record in outcome.records if "version" in record] == [False, True]
    assert run("prune", "--keep", "1", "--store", store).records[0]["version"] == versions[0]
    assert run("list", "--store", store).last["version"] == versions[1]


def test_mistakes(refused, store):
    assert f"there is no store at {store}" in refused("list", "--store", store)
    assert "there can be no store at nothing://x" in refused("list", "--store", "nothing://x")
