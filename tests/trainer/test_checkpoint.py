import json

import numpy as np
import pytest

from artifact.errors import Corrupt, NameRefused, StoreError, StoreUnwritable, Unsupported
from artifact.tokenizer import Tokenizer
from trainer.checkpoint import Checkpoints, identify_corpus
from trainer.corpus import build_corpus
from trainer.loop import History, Step


class Learner:
    def __init__(self, seed=0):
        random = np.random.default_rng(seed)
        self.arrays = {"input": random.random((5, 3), dtype=np.float32), "order": random.permutation(7)}
        self.values = {"random": random.bit_generator.state, "position": 12}

    def state(self):
        return self.arrays, self.values

    def restore(self, arrays, values):
        self.arrays, self.values = {name: array.copy() for name, array in arrays.items()}, values


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path, "farm")


def save(checkpoints, learner=None, words=10):
    history = History(total_words=100)
    history.add(Step(words=words, examples=2, loss_sum=1.5, learning_rate=0.1))
    checkpoints.save(learner or Learner(), history, setup={"dim": 3}, corpus="abc")


def names(checkpoints):
    return sorted(path.name for path in checkpoints.path.iterdir() if path.name != "lock")


def test_what_is_saved_comes_back_bit_for_bit(checkpoints):
    learner, other = Learner(), Learner(seed=1)
    save(checkpoints, learner)
    checkpoint = checkpoints.load()
    checkpoint.restore(other)
    for name, array in learner.arrays.items():
        assert other.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(other.arrays[name], array)
    assert other.values == learner.values
    assert checkpoint.setup == {"dim": 3}
    assert checkpoint.corpus == "abc"
    assert checkpoint.history.words == 10


def test_nothing_saved_is_none(checkpoints):
    assert checkpoints.load() is None


def test_a_new_checkpoint_replaces_the_old_and_its_arrays(checkpoints):
    save(checkpoints)
    before = names(checkpoints)
    save(checkpoints, words=20)
    after = names(checkpoints)
    assert len(before) == len(after) == 2
    assert before != after
    assert checkpoints.load().history.words == 20


def test_failing_to_save_leaves_the_old_checkpoint(checkpoints, monkeypatch):
    save(checkpoints)
    before = names(checkpoints)

    def fill_disk(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainer.checkpoint.replace_file", fill_disk)
    with pytest.raises(StoreUnwritable, match="No space left"):
        save(checkpoints, Learner(seed=2), words=20)
    assert names(checkpoints) == before
    assert checkpoints.load().history.words == 10


@pytest.mark.parametrize("spoil", ["cut", "flip", "remove"])
def test_spoiled_arrays_are_refused(checkpoints, spoil):
    save(checkpoints)
    (path,) = checkpoints.path.glob("state-*")
    data = bytearray(path.read_bytes())
    if spoil == "cut":
        path.write_bytes(data[:-1])
    elif spoil == "flip":
        data[-1] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
    with pytest.raises(Corrupt, match="checkpoint"):
        checkpoints.load().restore(Learner())


@pytest.mark.parametrize(
    "change", [{"history": None}, {"arrays": {"path": "../../etc/passwd"}}, {"setup": 3}]
)
def test_spoiled_records_are_refused(checkpoints, change):
    save(checkpoints)
    path = checkpoints.path / "current.json"
    value = {**json.loads(path.read_bytes()), **change}
    path.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n")
    with pytest.raises(Corrupt, match="not a checkpoint"):
        checkpoints.load()


def test_another_release_is_refused(checkpoints):
    save(checkpoints)
    path = checkpoints.path / "current.json"
    path.write_bytes(path.read_bytes().replace(b'"format_version":1', b'"format_version":2'))
    with pytest.raises(Unsupported):
        checkpoints.load()


def test_final_states_are_kept_by_version_newest_first_to_stay(checkpoints):
    for number in range(3):
        save(checkpoints, Learner(seed=number), words=10 + number)
        checkpoints.keep(f"v{number}", count=2)
    assert checkpoints.load() is None
    assert checkpoints.kept() == ["v1", "v2"]
    assert checkpoints.load("v2").history.words == 12
    learner = Learner(seed=9)
    checkpoints.load("v1").restore(learner)
    np.testing.assert_array_equal(learner.arrays["input"], Learner(seed=1).arrays["input"])
    assert len(names(checkpoints)) == 4


def test_keeping_none(checkpoints):
    save(checkpoints)
    checkpoints.keep("v0", count=0)
    assert names(checkpoints) == []


def test_states_of_versions_that_are_gone_are_forgotten(checkpoints):
    for number in range(2):
        save(checkpoints)
        checkpoints.keep(f"v{number}", count=2)
    checkpoints.forget_others(["v1"])
    assert checkpoints.kept() == ["v1"]
    assert len(names(checkpoints)) == 2


def test_what_a_killed_process_left_is_swept(checkpoints):
    save(checkpoints)
    (checkpoints.path / "state-0123.safetensors").write_bytes(b"half")
    (checkpoints.path / "corpus-0123").mkdir()
    (checkpoints.path / ".current.json.12ab").write_bytes(b"half")
    with checkpoints.locked():
        pass
    assert len(names(checkpoints)) == 2
    assert checkpoints.load() is not None


def test_one_training_of_a_name_at_a_time(checkpoints, tmp_path):
    with checkpoints.locked():
        with pytest.raises(StoreError, match="farm is being trained"), Checkpoints(tmp_path, "farm").locked():
            pass
        with Checkpoints(tmp_path, "other").locked():
            pass
    with checkpoints.locked():
        pass


def test_scratch_is_removed(checkpoints):
    with checkpoints.scratch() as path:
        path.mkdir()
        (path / "ids.i32").write_bytes(b"1234")
    assert not path.exists()


@pytest.mark.parametrize("name", ["../farm", ".hidden", "a/b", ""])
def test_names_that_are_paths_are_refused(tmp_path, name):
    with pytest.raises(NameRefused):
        Checkpoints(tmp_path, name)


def test_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / ".checkpoints").write_text("a file in the way")
    with pytest.raises(StoreUnwritable):
        Checkpoints(tmp_path, "farm")


def test_corpora_are_told_apart_by_order_and_by_settings(tmp_path):
    def identify(content, number, **settings):
        path = tmp_path / f"{number}.txt"
        path.write_text(content)
        settings = {"tokenizer": Tokenizer("whitespace"), "min_count": 1, **settings}
        return identify_corpus(build_corpus([str(path)], tmp_path / str(number), **settings))

    same = identify("a b\nc a b\n", 1)
    assert identify("a b\nc a b\n", 2) == same
    assert identify("b a\nc a b\n", 3) != same
    assert identify("a b c\na b\n", 4) != same
    assert identify("a b\nc a b\n", 5, min_count=2) != same
    assert identify("a b\nc a b\n", 6, tokenizer=Tokenizer("words")) != same
