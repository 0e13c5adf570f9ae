"""The whole path on the generated text, by the commands of `make serve`: what is known must be what is answered."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest

from app.main import create_app
from app.settings import Settings
from artifact.store import Store
from trainer.cli import main
from trainer.corpus.sample import ANALOGIES, BOOK_ANALOGIES, BOOK_QUERIES, GROUPS


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    text, store = folder / "sample.txt", folder / "store"
    assert main(["sample", "--output", str(text)]) == 0
    arguments = ["train", "cbow", str(text), "--recipe", "sample", "--name", "sample", "--store", str(store)]
    assert main([*arguments, "--threads", "1"]) == 0
    return store


@pytest.fixture(scope="module")
def model(trained):
    return Store(trained).open("sample").embedding()


@pytest.mark.parametrize(("a", "b", "c", "d"), BOOK_ANALOGIES)
def test_the_books_analogies_come_first(model, a, b, c, d):
    assert model.analogy(a, b, c, top=1)[0].word == d


def test_nearly_all_known_analogies_come_first(model):
    right = [model.analogy(a, b, c, top=1)[0].word == d for a, b, c, d in ANALOGIES]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("query", BOOK_QUERIES, ids=lambda query: query.word)
def test_the_books_words_have_the_neighbours_that_they_must(model, query):
    nearest = {neighbour.word for neighbour in model.similar([query.word], top=5)}
    assert len(nearest & query.expected) >= 3, nearest


def test_words_of_one_kind_are_near_each_other(model):
    shares = {
        name: np.mean([n.word in words for word in words for n in model.similar([word], top=5)])
        for name, words in GROUPS.items()
    }
    assert np.mean(list(shares.values())) > 0.75, shares
    assert min(shares.values()) > 0.3, shares


def test_singular_and_plural_lie_closer_than_chance(model):
    pairs = [("car", "cars"), ("car", "truck"), ("dog", "dogs")]
    chance = np.mean([model.similarity([a], ["monday", "green", "seven"]).mean() for a, _ in pairs])
    for a, b in pairs:
        assert model.similarity([a], [b])[0, 0] > chance + 0.2


@asynccontextmanager
async def serving(store):
    app = create_app(Settings(store=str(store)))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


def test_the_server_gives_these_answers(trained, model):
    async def ask():
        async with serving(trained) as client:
            similar = await client.get("/similar", params={"word": "car"})
            analogy = await client.post("/analogy", json={"a": "king", "b": "man", "c": "queen"})
            models = await client.get("/models")
        return similar.json(), analogy.json(), models.text

    similar, analogy, models = asyncio.run(ask())
    assert {result["word"] for result in similar["results"][:5]} <= GROUPS["vehicles"]
    assert [result["word"] for result in similar["results"]] == [n.word for n in model.similar(["car"])]
    assert (similar["model"], similar["version"]) == ("sample", model.version)
    assert analogy["results"][0]["word"] == "woman"
    assert "generated" in models
