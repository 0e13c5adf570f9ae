import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.errors import Corrupt, InputError
from artifact.weights import map_tensors, write_tensors


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    return {
        "vectors": rng.normal(size=(7, 3)).astype(np.float32),
        "half": rng.normal(size=(5, 3)).astype(np.float16),
        "counts": np.arange(7, dtype=np.int64),
        "empty": np.zeros((0, 4), dtype=np.float32),
    }


def test_what_is_written_is_read_mapped_and_read_only(tmp_path, tensors):
    path = tmp_path / "w.safetensors"
    write_tensors(path, tensors)
    mapped = map_tensors(path)
    assert mapped.keys() == tensors.keys()
    for name, array in tensors.items():
        assert mapped[name].dtype == array.dtype
        np.testing.assert_array_equal(mapped[name], array)
        assert mapped[name].size == 0 or not (mapped[name].flags.writeable or mapped[name].flags.owndata)


def test_the_safetensors_library_reads_our_file_and_we_read_its(tmp_path, tensors):
    write_tensors(tmp_path / "ours", tensors)
    safetensors.numpy.save_file(tensors, tmp_path / "theirs", metadata={"made": "elsewhere"})
    for found in (safetensors.numpy.load_file(tmp_path / "ours"), map_tensors(tmp_path / "theirs")):
        assert found.keys() == tensors.keys()
        for name, array in tensors.items():
            np.testing.assert_array_equal(found[name], array)


def test_large_and_strided_arrays_are_written_in_blocks(tmp_path):
    array = np.arange(3_000_000, dtype=np.float32).reshape(1500, 2000)
    write_tensors(tmp_path / "w", {"a": array, "t": array.T, "big": array.astype(">f4")})
    mapped = map_tensors(tmp_path / "w")
    np.testing.assert_array_equal(mapped["a"], array)
    np.testing.assert_array_equal(mapped["t"], array.T)
    np.testing.assert_array_equal(mapped["big"], array)


def test_an_element_type_without_a_name_is_refused(tmp_path):
    with pytest.raises(InputError, match="complex"):
        write_tensors(tmp_path / "w", {"a": np.zeros(2, dtype=np.complex64)})


def with_header(path, header, data=b""):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    return path


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"[1]",
        b"[" * 100_000,
        {"a": 1},
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": {"dtype": "BF99", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}},
        {"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "U8", "shape": [3], "data_offsets": [1, 4]}},
        {
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        },
    ],
)
def test_a_lying_header_is_refused_by_name(tmp_path, header):
    with pytest.raises(Corrupt, match=r"w\.safetensors"):
        map_tensors(with_header(tmp_path / "w.safetensors", header, b"\0\0\0\0"))


def test_every_truncation_is_refused(tmp_path, tensors):
    write_tensors(tmp_path / "w", tensors)
    data = (tmp_path / "w").read_bytes()
    for length in range(len(data)):
        (tmp_path / "t").write_bytes(data[:length])
        with pytest.raises(Corrupt):
            map_tensors(tmp_path / "t")


@settings(max_examples=30)
@given(st.binary(max_size=200))
def test_any_bytes_give_tensors_or_one_clear_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "w"
    path.write_bytes(data)
    try:
        map_tensors(path)
    except Corrupt as error:
        assert "w" in str(error)
