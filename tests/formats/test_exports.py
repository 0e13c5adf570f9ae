"""What is written for other programs, and that it comes back as it was."""

import json

import numpy as np
import pytest
import safetensors.numpy

from tests.formats.foreign_files import WORDS, binary_bytes, make_vectors, text_bytes

FORMATS = ["word2vec-binary", "word2vec-text", "glove-text", "model2vec", "projector"]
ODD = [*WORDS, "two words", "a\u00a0b", "\u2028"]


@pytest.fixture(params=["float32", "float16"])
def dtype(request):
    return request.param


@pytest.fixture
def vectors(dtype):
    return make_vectors(len(ODD)).astype(dtype).astype(np.float32)


@pytest.fixture
def version(tmp_path, bring_in, vectors, dtype):
    """A store with one version whose words are of all kinds."""
    path = tmp_path / "source.txt"
    path.write_bytes(text_bytes(ODD, vectors))
    outcome, embedding = bring_in(path, "--dtype", dtype)
    assert outcome.code == 0
    assert list(embedding.vocabulary) == ODD
    return outcome.last["version"]


@pytest.fixture
def send_out(run, store, tmp_path, version):
    def run_export(kind, *more):
        path = tmp_path / f"out-{kind}"
        return path, run("export", "it", "--store", store, "--format", kind, "--output", path, *more)

    return run_export


@pytest.mark.parametrize("kind", FORMATS[:3])
def test_lines_and_rows_come_back_exactly(send_out, bring_in, kind, vectors):
    path, outcome = send_out(kind)
    assert outcome.code == 0
    assert (outcome.last["words"], outcome.last["left_out"]) == (7, 3)
    assert "3 words hold white space" in outcome.err
    again, embedding = bring_in(path, name="again")
    assert again.last["format"] == kind
    assert again.last["warnings"] == {}
    assert list(embedding.vocabulary) == WORDS
    np.testing.assert_array_equal(embedding.vectors(WORDS), vectors[:7])


def test_the_binary_file_is_what_word2vec_writes(send_out, vectors):
    path, _ = send_out("word2vec-binary")
    assert path.read_bytes() == binary_bytes(WORDS, vectors[:7])


def test_the_projector_gets_a_row_and_a_word_a_line(send_out, vectors):
    folder, outcome = send_out("projector")
    assert outcome.last["left_out"] == 0
    words = (folder / "metadata.tsv").read_text().split("\n")
    assert words == [*WORDS, "two words", "a b", "␣", ""]
    rows = [line.split("\t") for line in (folder / "vectors.tsv").read_text().splitlines()]
    np.testing.assert_array_equal(np.array(rows, np.float32), vectors)


def test_a_model2vec_folder_holds_every_word_and_one_unknown(send_out, bring_in, vectors, dtype):
    folder, outcome = send_out("model2vec")
    assert outcome.last["words"] == 10
    assert json.loads((folder / "config.json").read_text())["hidden_dim"] == 5
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    assert tokenizer["model"]["vocab"] == {word: place for place, word in enumerate([*ODD, "[UNK]"])}
    table = safetensors.numpy.load_file(folder / "model.safetensors")["embeddings"]
    assert table.dtype == dtype
    np.testing.assert_array_equal(table[:-1].astype(np.float32), vectors)
    assert not table[-1].any()
    again, embedding = bring_in(folder, name="again")
    assert again.last["dtype"] == dtype
    assert list(embedding.vocabulary) == ODD


def test_an_unknown_word_that_is_there_stays(tmp_path, bring_in, run, store):
    path = tmp_path / "v.txt"
    path.write_bytes(text_bytes(["[UNK]", "a"], make_vectors(2)))
    bring_in(path)
    run("export", "it", "--store", store, "--format", "model2vec", "--output", tmp_path / "out")
    _, embedding = bring_in(tmp_path / "out", name="again")
    np.testing.assert_array_equal(embedding.vectors(["[UNK]", "a"]), make_vectors(2))


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_overwritten_and_nothing_is_left_behind(send_out, tmp_path, kind, monkeypatch):
    path, _ = send_out(kind)
    before = sorted(tmp_path.iterdir())
    _, again = send_out(kind)
    assert again.code == 2
    assert "exists already" in again.err
    assert sorted(tmp_path.iterdir()) == before

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("artifact.formats.writing.sync_file", fail)
    path.rename(tmp_path / "moved")
    _, failed = send_out(kind)
    assert failed.code == 2
    assert "No space left" in failed.err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["moved", "source.txt", "store"]


def test_mistakes_are_said(run, store, tmp_path, version):
    arguments = ["export", "it", "--store", store, "--output"]
    assert "no such folder" in run(*arguments, tmp_path / "a" / "b", "--format", "projector").err
    assert "must be one of" in run(*arguments, tmp_path / "x", "--format", "csv").err
    assert "--format must be given" in run(*arguments, tmp_path / "x").err
    assert (
        "there is no model other"
        in run("export", "other", *arguments[2:], tmp_path / "x", "--format", "projector").err
    )
