import json
from functools import partial

import numpy as np
import pytest
from engines.cpu_compiler import needs_compiler
from engines.emulated_neighbours import EmulatedNeighbours

from artifact.draft import write_embedding
from artifact.errors import InputError
from artifact.search import Search
from artifact.store import Store
from trainer import neighbours
from trainer.console import Console
from trainer.engines.gpu_neighbours import NeighbourPlan
from trainer.neighbours import (
    MOST_FLOPS,
    MOST_GPU_FLOPS,
    add_neighbours,
    choose_count,
    compute_neighbours,
    count_flops,
    find_gpu,
)
from trainer.progress import show_progress


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_table_is_what_float64_finds(dtype, threads):
    random = np.random.default_rng(0)
    vectors = random.normal(size=(1_500, 12)).astype(dtype)
    vectors[700:720] = vectors[0]
    vectors[5] = 0
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1).astype(np.float32)
    with show_progress(Console(as_json=True)) as progress:
        computed = compute_neighbours(
            vectors, norms, 30, progress=partial(progress.work, "neighbours"), threads=threads
        )
    wide = vectors.astype(np.float64)
    wide[5, 0] = 1
    units = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    cosines = np.clip(units @ units.T, -1, 1).astype(np.float32)
    cosines[:, 5] = -np.inf
    np.fill_diagonal(cosines, -np.inf)
    for row in [0, 1, 5, 6, 255, 256, 257, 700, 719, 1_499]:
        if row == 5:
            assert (computed.table.ids[row] == -1).all()
            continue
        expected = np.lexsort((np.arange(1_500), -cosines[row]))[:30]
        assert computed.table.ids[row].tolist() == expected.tolist()
        np.testing.assert_allclose(computed.table.scores[row], cosines[row, expected], atol=1e-7)
    assert computed.seconds > 0
    assert computed.gflops > 0


def test_progress_is_told(capsys):
    vectors = np.eye(4, dtype=np.float32)
    with show_progress(Console(as_json=True)) as progress:
        compute_neighbours(
            vectors,
            np.ones(4, dtype=np.float32),
            2,
            progress=partial(progress.work, "neighbours"),
        )
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == {"event": "progress", "stage": "neighbours", "words": 4, "total_words": 4}


def test_a_table_is_made_unasked_where_that_takes_seconds():
    largest = int((MOST_FLOPS / 200) ** 0.5)
    assert count_flops(largest, 100) <= MOST_FLOPS
    assert choose_count(None, words=largest, dim=100) == 50
    assert choose_count(None, words=largest + 1, dim=100) == 0
    assert choose_count(7, words=10_000_000, dim=300) == 7
    assert choose_count(None, words=30, dim=4) == 29
    assert choose_count(0, words=30, dim=4) == 0
    with pytest.raises(InputError):
        choose_count(-1, words=30, dim=4)


def test_publish_makes_a_new_version(run, train, store):
    before = json.loads(train("--neighbours", "0", "--phrases").out.splitlines()[-1])["version"]
    opened = Store(store).open("farm")
    assert opened.file("neighbours") is None
    outcome = run("publish", "farm", "--neighbours", "7", "--store", store)
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out.splitlines()[-1])
    assert said["event"] == "published"
    assert (said["of_version"], said["neighbours"]["count"]) == (before, 7)
    assert Store(store).versions("farm") == [before, said["version"]]
    assert Store(store).latest("farm") == said["version"]
    after = Store(store).open("farm")
    assert after.manifest.metrics["neighbours"]["count"] == 7
    assert set(after.manifest.files) == {*opened.manifest.files, "neighbours"}
    for role, entry in opened.manifest.files.items():
        assert after.manifest.files[role] == entry
    for name in ("recipe", "requires", "tokenizer", "license", "provenance", "tensors"):
        assert getattr(after.manifest, name) == getattr(opened.manifest, name)
    assert run("verify", "farm", "--store", store).code == 0
    for word in ("car", "sheep"):
        assert after.embedding().similar([word], top=7) == opened.embedding().similar([word], top=7)


def test_publish_again_replaces_the_table(run, train, store):
    train("--neighbours", "3")
    assert Store(store).open("farm").embedding().neighbours.count == 3
    assert run("publish", "farm", "--neighbours", "5", "--store", store).code == 0
    assert Store(store).open("farm").embedding().neighbours.count == 5


def test_train_makes_a_table_unless_told_not_to(train, store):
    assert train().code == 0
    embedding = Store(store).open("farm").embedding()
    assert embedding.neighbours.count == 50
    words = len(embedding.vocabulary)
    search = Search(embedding.rows(np.arange(words)), embedding._norms)
    ids, scores = search.neighbours(np.arange(words), 50)
    np.testing.assert_array_equal(ids, embedding.neighbours.ids)
    np.testing.assert_array_equal(scores, embedding.neighbours.scores)


def test_a_table_is_of_the_vectors_as_they_are_stored(train, store):
    assert train("--dtype", "float16", "--neighbours", "4").code == 0
    Store(store).verify("farm", Store(store).latest("farm"))


def test_what_cannot_be_published_is_refused(refused, train, store):
    train()
    assert "--neighbours" in refused("publish", "farm", "--store", store)
    refused("publish", "farm", "--neighbours", "0", "--store", store)
    refused("publish", "barn", "--neighbours", "3", "--store", store)
    refused("publish", "farm@20260101T000000Z-00000000", "--neighbours", "3", "--store", store)
    refused("publish", "--neighbours", "3", "--store", store)


def test_a_language_model_has_no_neighbours(refused, tmp_path):
    from tests.language_serving.models import publish_model

    publish_model(tmp_path, "story")
    assert "language model" in refused("publish", "story", "--neighbours", "3", "--store", tmp_path)


def test_import_makes_a_table_too(run, tmp_path, store):
    lines = [f"word{number} {number % 7} {number % 5} 1\n" for number in range(60)]
    (tmp_path / "vectors.txt").write_text("".join(lines))
    common = ("import", tmp_path / "vectors.txt", "--format", "glove-text", "--store", store)
    assert run(*common, "--name", "some").code == 0
    assert run(*common, "--name", "none", "--neighbours", "0").code == 0
    some, none = (Store(store).open(name).embedding() for name in ("some", "none"))
    assert some.neighbours.count == 50
    assert none.neighbours is None
    assert some.similar(["word3"], top=50) == none.similar(["word3"], top=50)
    assert len(Store(store).versions("some")) == 1
    assert run("verify", "--store", store).code == 0


@needs_compiler
def test_a_gpu_gives_what_it_cannot_tell_apart_to_the_cores(tmp_path, monkeypatch):
    plan = NeighbourPlan(capacity=1_024, threads=64)
    monkeypatch.setattr(NeighbourPlan, "choose", lambda *_, **__: plan)
    random = np.random.default_rng(2)
    vectors = random.normal(size=(1_100, 6)).astype(np.float32)
    vectors[20:800] = vectors[0]
    norms = np.linalg.norm(vectors, axis=1)
    told, sample = [], [5, 30, 500, 1_090]
    gpu = EmulatedNeighbours(tmp_path, only=set(sample))
    computed = compute_neighbours(vectors, norms, 3, progress=lambda *each: told.append(each), gpu=gpu)
    alone = compute_neighbours(vectors, norms, 3, progress=lambda *_: None)
    assert (computed.device, alone.device) == ("gpu", "cpu")
    np.testing.assert_array_equal(computed.table.ids[sample], alone.table.ids[sample])
    np.testing.assert_allclose(computed.table.scores[sample], alone.table.scores[sample], atol=1.2e-7)
    assert computed.table.ids[30].tolist() == [0, 20, 21]
    assert (1_098, 1_100) in told
    assert told[-1] == (1_100, 1_100)


class Small:
    """A GPU without memory."""

    name, shared_bytes, free_bytes = "a small GPU", 99 << 10, 1_000


def add(tmp_path, asked, device, words=60):
    vectors = np.random.default_rng(0).normal(size=(words, 4)).astype(np.float32)
    tokens = [f"word{number}" for number in range(words)]
    with Store(tmp_path / "store", create=True).draft("some") as draft:
        counts = np.ones(words, dtype=np.int64)
        write_embedding(draft, tokens=tokens, counts=counts, vectors=vectors, dtype="float32")
        return add_neighbours(draft, asked, progress=lambda *_: None, device=device)


def test_a_gpu_that_is_too_small_is_refused_or_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "find_gpu", lambda *_, **__: Small())
    assert add(tmp_path, 5, "auto").device == "cpu"
    assert add(tmp_path, 0, "gpu") is None
    with pytest.raises(InputError, match="a small GPU"):
        add(tmp_path, 5, "gpu")
    monkeypatch.setattr(neighbours, "MOST_FLOPS", 10)
    assert add(tmp_path, None, "auto") is None


def test_a_gpu_does_more_unasked():
    words = int((MOST_FLOPS / 200) ** 0.5) + 1
    assert choose_count(None, words=words, dim=100) == 0
    assert choose_count(None, words=words, dim=100, on_gpu=True) == 50
    assert choose_count(None, words=int((MOST_GPU_FLOPS / 200) ** 0.5) + 1, dim=100, on_gpu=True) == 0


def test_a_gpu_is_asked_for_where_it_is_worth_it(monkeypatch):
    started = []

    def start():
        started.append(True)
        raise InputError("there is no GPU")

    monkeypatch.setattr("trainer.engines.cupy_neighbours.CupyNeighbours", start)
    assert find_gpu("cpu", words=400_000, dim=100) is None
    assert find_gpu("auto", words=1_000, dim=100) is None
    assert not started
    assert find_gpu("auto", words=400_000, dim=100) is None
    with pytest.raises(InputError, match="there is no GPU"):
        find_gpu("gpu", words=10, dim=10)
    assert len(started) == 2


def test_the_commands_hand_the_device_on(run, train, store, tmp_path, monkeypatch):
    def start():
        raise InputError("there is no GPU")

    monkeypatch.setattr("trainer.engines.cupy_neighbours.CupyNeighbours", start)
    train("--neighbours", "0")
    (tmp_path / "vectors.txt").write_text("".join(f"word{number} {number % 7} 1\n" for number in range(30)))
    publish = ("publish", "farm", "--store", store)
    imports = ("import", tmp_path / "vectors.txt", "--format", "glove-text", "--store", store, "--name", "v")
    for command in (publish, imports):
        refused = run(*command, "--neighbours", "3", "--device", "gpu")
        assert (refused.code, refused.err) == (2, "wordkin: there is no GPU\n")
        assert run(*command, "--neighbours", "3", "--device", "cpu").code == 0
        assert run(*command, "--neighbours", "3").code == 0
    assert run(*imports, "--neighbours", "0", "--device", "gpu").code == 0
