import numpy as np
import pytest

from artifact.draft import write_embedding
from artifact.embedding_writer import EmbeddingWriter
from artifact.errors import InputError
from artifact.store import Store
from artifact.tensor_stream import TensorStream
from artifact.weights import write_tensors

ROWS = np.random.default_rng(0).normal(size=(57, 3)).astype(np.float32)
COUNTS = np.arange(57)


def stream_rows(path, *, expected, dtype=np.float32, sizes=(20, 0, 37)):
    with TensorStream(
        path,
        "vectors",
        columns=3,
        dtype=np.dtype(dtype),
        beside={"counts": np.dtype(np.int64)},
        expected=expected,
    ) as stream:
        start = 0
        for size in sizes:
            stream.append(ROWS[start : start + size].astype(dtype))
            start += size
        stream.finish({"counts": COUNTS[:start]})


@pytest.mark.parametrize("expected", [0, 1, 56, 57, 58, 100_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_bytes_are_those_of_tensors_written_at_once(tmp_path, monkeypatch, expected, dtype):
    monkeypatch.setattr("artifact.tensor_stream._BLOCK_BYTES", 50)
    stream_rows(tmp_path / "streamed", expected=expected, dtype=dtype)
    write_tensors(tmp_path / "whole", {"vectors": ROWS.astype(dtype), "counts": COUNTS})
    assert (tmp_path / "streamed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InputError, match="wider"):
        TensorStream(
            tmp_path / "s", "v", columns=1, dtype=np.dtype(np.float64), beside={"a": np.dtype(np.float32)}
        )
    with TensorStream(
        tmp_path / "s", "v", columns=3, dtype=np.dtype(np.float32), beside={"a": np.dtype(np.int64)}
    ) as stream:
        with pytest.raises(InputError, match="not 3 of"):
            stream.append(np.zeros((1, 2), np.float32))
        with pytest.raises(InputError, match="not 3 of"):
            stream.append(np.zeros((1, 3), np.float64))
        stream.append(np.zeros((2, 3), np.float32))
        with pytest.raises(InputError, match="does not fit beside 2 rows"):
            stream.finish({"a": np.zeros(3, np.int64)})


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_streamed_embedding_is_the_one_written_at_once(tmp_path, dtype):
    tokens = [f"word{number}" for number in range(57)]
    store = Store(tmp_path, create=True)
    with store.draft("whole") as whole, store.draft("streamed") as streamed:
        write_embedding(whole, tokens=tokens, counts=COUNTS, vectors=ROWS, dtype=dtype)
        with EmbeddingWriter(streamed, dim=3, dtype=dtype, expected=60) as writer:
            writer.append(tokens[:30], ROWS[:30], COUNTS[:30])
            writer.append(tokens[30:], ROWS[30:], COUNTS[30:])
            writer.finish()
        for path in whole.path.iterdir():
            assert (streamed.path / path.name).read_bytes() == path.read_bytes()


def test_words_that_no_vocabulary_holds_are_refused(tmp_path):
    with Store(tmp_path, create=True).draft("x") as draft, EmbeddingWriter(draft, dim=3) as writer:
        with pytest.raises(InputError, match="line break"):
            writer.append(["a\nb"], ROWS[:1])
        with pytest.raises(InputError, match="'b' is not finite"):
            writer.append(["a", "b"], np.array([[1, 2, 3], [1, np.inf, 3]], np.float32))
        with pytest.raises(InputError, match="there is no word"):
            writer.finish()
        writer.append(["a", "b", "a"], ROWS[:3])
        with pytest.raises(InputError, match="'a' stands twice"):
            writer.finish()
