"""Folders of model2vec and sentence-transformers, and the tokenizers whose vocabularies they carry."""

import json

import numpy as np
import pytest
import safetensors.numpy

from tests.formats.foreign_files import make_vectors, read

WORDPIECE = {"[PAD]": 0, "[UNK]": 1, "the": 2, "##ing": 3, "naïve": 4}


def write_folder(folder, tokenizer, *, name="embeddings", **tensors):
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = tokenizer["model"]["vocab"]
    table = tensors.pop(name, make_vectors(len(vocabulary), 4))
    safetensors.numpy.save_file({name: table, **tensors}, folder / "model.safetensors")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return table


def tokenizer(vocabulary=WORDPIECE, **more):
    return {"version": "1.0", "added_tokens": [], "model": {"type": "WordPiece", "vocab": vocabulary}, **more}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_model2vec_folder(tmp_path, bring_in, dtype):
    table = make_vectors(5, 4).astype(dtype)
    write_folder(tmp_path / "potion", tokenizer(), embeddings=table)
    outcome, embedding = bring_in(tmp_path / "potion")
    assert (outcome.last["format"], outcome.last["dtype"]) == ("model2vec", dtype)
    assert list(embedding.vocabulary) == list(WORDPIECE)
    np.testing.assert_array_equal(embedding.vectors(["naïve", "##ing"]), table[[4, 3]].astype(np.float32))
    assert outcome.last["warnings"] == {"pieces": 1}


def test_a_static_embedding_of_sentence_transformers(tmp_path):
    table = write_folder(tmp_path / "st" / "0_StaticEmbedding", tokenizer(), name="embedding.weight")
    (tmp_path / "st" / "modules.json").write_text("[]")
    for path in (tmp_path / "st", tmp_path / "st" / "0_StaticEmbedding" / "model.safetensors"):
        foreign, words, vectors, _ = read(path)
        assert foreign.format == "model2vec"
        assert words == [word.encode() for word in WORDPIECE]
        np.testing.assert_array_equal(vectors, table)


def test_weights_and_a_mapping_to_fewer_rows(tmp_path):
    table = make_vectors(3, 4)
    weights = np.linspace(0.5, 1, 5)
    mapping = np.array([2, 0, 1, 1, 0], np.int64)
    write_folder(tmp_path / "m", tokenizer(), embeddings=table, weights=weights, mapping=mapping)
    foreign, _, vectors, _ = read(tmp_path / "m")
    assert foreign.precision == "float32"
    np.testing.assert_allclose(vectors, table[mapping] * weights[:, np.newaxis])


def test_marks_of_where_words_begin_go_and_pieces_are_told(tmp_path):
    unigram = {
        "model": {
            "type": "Unigram",
            "vocab": [["<s>", 0.0], ["▁the", -1.0], ["ing", -2.0], ["▁", -3.0], [",", -4.0]],
        }
    }
    write_folder(tmp_path / "u", unigram)
    foreign, words, _, _ = read(tmp_path / "u")
    assert [word.decode() for word in words] == ["<s>", "the", "##ing", "▁", ","]
    assert foreign.remarks.to_json() == {"pieces": 1}


def test_byte_level_tokens_are_bytes_again(tmp_path):
    bpe = tokenizer({"Ġthe": 0, "ing": 1, "ĠÃ©": 2, "Ġ": 3}, pre_tokenizer={"type": "ByteLevel"})
    bpe["added_tokens"] = [{"id": 4, "content": "<|end|>", "special": True}]
    write_folder(tmp_path / "b", bpe, embeddings=make_vectors(5, 4))
    _, words, _, _ = read(tmp_path / "b")
    assert [word.decode() for word in words] == ["the", "##ing", "é", " ", "<|end|>"]


def test_rows_without_a_token_are_left_out(tmp_path, bring_in):
    write_folder(tmp_path / "m", tokenizer(), embeddings=make_vectors(8, 4))
    outcome, embedding = bring_in(tmp_path / "m")
    assert len(embedding.vocabulary) == 5
    assert outcome.last["warnings"]["unnamed-rows"] == 3


def test_broken_folders_are_refused_by_what_is_wrong(tmp_path, refuse):
    folder = tmp_path / "m"
    write_folder(folder, tokenizer(), embeddings=make_vectors(3, 4))
    assert "there are 3 rows, but the tokenizer has a token with id 4" in refuse(folder)
    write_folder(folder, tokenizer(), weights=np.ones(3))
    assert "the tensor weights has not one number for each of 5 tokens" in refuse(folder)
    write_folder(folder, tokenizer(), mapping=np.array([0, 1, 2, 3, 5]))
    assert "the tensor mapping does not name rows" in refuse(folder)
    write_folder(folder, tokenizer(), embeddings=make_vectors(5, 4).astype(np.int32))
    assert "there is no tensor embeddings" in refuse(folder)
    write_folder(folder, tokenizer())
    for broken, said in (
        ("nothing", "tokenizer.json: not JSON"),
        ("[" * 100_000, "tokenizer.json: not JSON"),
        ("[]", "there is no vocabulary in it"),
        ('{"model": {"vocab": {"a": -1}}}', "not a token with an id"),
        ('{"model": {"vocab": [[1, 2], 3]}}', "not a token with an id"),
        ('{"model": {"vocab": {}}, "added_tokens": [{}, 7]}', "not a token with an id"),
    ):
        (folder / "tokenizer.json").write_text(broken)
        assert said in refuse(folder)
    (folder / "model.safetensors").write_bytes(b"nothing")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    assert "not a safetensors file" in refuse(folder)
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer.json beside model.safetensors" in refuse(folder)
