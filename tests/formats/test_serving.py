"""An imported store is served like any other."""

import pytest

from app.main import create_app
from app.settings import Settings
from tests.app.serving import Client
from tests.formats.foreign_files import WORDS, binary_bytes, make_vectors
from tests.formats.test_fasttext import model_bytes


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_words_of_an_imported_file_are_answered(tmp_path, bring_in, store, dtype):
    (tmp_path / "v.bin").write_bytes(binary_bytes(WORDS, make_vectors()))
    outcome, _ = bring_in(tmp_path / "v.bin", "--dtype", dtype)
    with Client(create_app(Settings(store=str(store)))) as client:
        answer = client.get("/similar", word="서울", top=3).json()
    assert (answer["model"], answer["version"]) == ("it", outcome.last["version"])
    assert len(answer["results"]) == 3


def test_unknown_words_of_an_imported_fasttext_model_are_answered(tmp_path, bring_in, store):
    (tmp_path / "m.bin").write_bytes(model_bytes())
    bring_in(tmp_path / "m.bin")
    with Client(create_app(Settings(store=str(store)))) as client:
        assert client.get("/similar", word="walks").status_code == 200
