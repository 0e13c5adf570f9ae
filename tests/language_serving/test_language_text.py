import json

import numpy as np
import pytest
from language_serving.models import make_model, publish_model

from artifact.errors import InputError
from artifact.language import compute_perplexity
from trainer.cli import main
from trainer.evaluate.language_text import evaluate_language_text

LINES = ["The company said it would buy the zebra", "", "shares of a market", "the company"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES * 20))
    return path


def test_every_line_ends_and_every_word_counts(text):
    model = make_model()
    result = evaluate_language_text(model, str(text))
    ids = model.encode("\n".join(LINES * 20) + "\n")[0]
    reading = model.read(model.start(), ids)
    assert result.words == len(ids) == 20 * (8 + 1 + 4 + 1 + 2 + 1)
    assert (result.unknown, result.left_out) == (20, 0)
    assert result.perplexity == pytest.approx(compute_perplexity(reading.parts[0]))
    assert result.mixture_perplexity == pytest.approx(compute_perplexity(reading.mixture))


def test_is_read_in_pieces_as_a_whole(text, monkeypatch):
    model = make_model()
    whole = evaluate_language_text(model, str(text))
    monkeypatch.setattr("trainer.evaluate.language_text._PIECE_BYTES", 100)
    monkeypatch.setattr("trainer.evaluate.language_text._WORDS_AT_ONCE", 13)
    seen = []
    pieced = evaluate_language_text(model, str(text), progress=seen.append)
    assert (pieced.words, pieced.unknown) == (whole.words, whole.unknown)
    assert pieced.mixture_perplexity == pytest.approx(whole.mixture_perplexity, rel=1e-5)
    assert seen == sorted(seen)
    assert seen[-1] == whole.words


def test_without_unk_unknown_words_are_left_out_and_counted(text):
    result = evaluate_language_text(make_model(unknown=False, mixture=None), str(text))
    assert (result.unknown, result.left_out) == (0, 20)
    assert result.mixture_perplexity is None


def test_a_text_without_words_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n … \n")
    with pytest.raises(InputError, match="no word"):
        evaluate_language_text(make_model(), str(tmp_path / "empty.txt"))


def test_the_command_answers_for_a_language_model(tmp_path, text, capsys):
    publish_model(tmp_path / "store", "news")
    arguments = ["evaluate", "news", "--store", str(tmp_path / "store")]
    assert main([*arguments, "--text", str(text), "--json"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["kind"] == "language-model"
    expected = evaluate_language_text(make_model(), str(text))
    np.testing.assert_allclose(
        [last["perplexity"], last["mixture_perplexity"]],
        [expected.perplexity, expected.mixture_perplexity],
        rtol=1e-4,
    )
    assert last["text"] == {"words": 340, "unknown": 20, "left_out": 0}
    questions = tmp_path / "questions.txt"
    questions.write_text(": all\nthe company said it\n")
    for wrong in ([], ["--text", str(text), "--analogies", str(questions)]):
        assert main([*arguments, *wrong]) == 2
        assert "language model" in capsys.readouterr().err
