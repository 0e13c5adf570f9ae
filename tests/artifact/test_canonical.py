import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.canonical import decode_json, encode_json
from artifact.errors import Corrupt, InputError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(values)
def test_a_value_comes_back(value):
    try:
        data = encode_json(value)
    except InputError:
        assert "\\ud" in json.dumps(value)
        return
    assert decode_json(data, where="x") == value
    assert data.endswith(b"\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1: 2, "1": 3}, object(), b"x"])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(InputError):
        encode_json(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}\n',
        b'{"a": 1}\n',
        b'{"a":1}',
        b'{"a":1}\n\n',
        b'{"a":1,"a":1}\n',
        b'{"a":1.00}\n',
        b'{"a":"\\u00e9"}\n',
        b'{"a":NaN}\n',
        b'{"a":"\\ud800"}\n',
        b"\xff\n",
        b"",
        b"[" * 200_000,
        b'{"a":' + b"9" * 5000 + b"}\n",
    ],
)
def test_other_bytes_for_the_same_value_are_refused(data):
    with pytest.raises(Corrupt, match="manifest"):
        decode_json(data, where="manifest")
