import sys
from dataclasses import replace

import pytest

from artifact.errors import InputError
from trainer.capabilities import WORD_VECTOR_ENGINES, Engine, choose_engine
from trainer.recipes import WordVectorSettings

PLAIN = Engine("plain", build=None, devices=("cpu", "gpu"), own_options=("optimizer",))
FAST = Engine("fast", build=None, models=("cbow",), own_options=("shared_negatives", "context_gradient"))
BOTH = (FAST, PLAIN)
ON_GPU = Engine("fast", build=None, devices=("gpu",), own_options=FAST.own_options)


def refuse(device, settings):
    raise InputError(f"there is no {device}")


NO_GPU = replace(ON_GPU, require=refuse)


def choose(*, device="auto", asked=(), engines=BOTH, **settings):
    choice = choose_engine(WordVectorSettings(**settings), device=device, asked=asked, engines=engines)
    return choice.engine.name, choice.device


def test_the_first_engine_that_can_is_taken():
    assert choose() == ("fast", "cpu")
    assert choose(model="skipgram") == ("plain", "cpu")
    assert choose(device="gpu") == ("plain", "gpu")
    assert choose(asked=["optimizer"]) == ("plain", "cpu")
    assert choose(asked=["shared_negatives", "dim"]) == ("fast", "cpu")


def test_a_gpu_is_taken_where_there_is_one():
    assert choose(engines=(ON_GPU, *BOTH)) == ("fast", "gpu")
    assert choose(engines=(NO_GPU, *BOTH)) == ("fast", "cpu")
    with pytest.raises(InputError, match="there is no gpu"):
        choose(engines=(NO_GPU, *BOTH), device="gpu")
    assert choose(engines=(ON_GPU, *BOTH), device="cpu") == ("fast", "cpu")
    assert choose(engines=(ON_GPU, *BOTH), device="gpu", asked=["optimizer"]) == ("plain", "gpu")
    full = replace(FAST, losses=("negative-sampling", "hierarchical-softmax"))
    assert choose(engines=(ON_GPU, full), loss="hierarchical-softmax") == ("fast", "cpu")
    with pytest.raises(InputError, match="not known to the fast engine on a GPU"):
        choose(engines=(ON_GPU, full), device="gpu", loss="hierarchical-softmax")
    with pytest.raises(InputError, match=r"means nothing to the fast engine$"):
        choose(engines=(ON_GPU, FAST), engine="fast", asked=["optimizer"])


def test_without_a_gpu_asking_for_one_is_a_line_and_exit_code_2(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    for model in ("cbow", "skipgram"):
        done = run(
            "train", model, tmp_path / "none.txt", "--name", "a", "--store", tmp_path, "--device", "gpu"
        )
        assert (done.code, done.out) == (2, "")
        assert done.err.endswith("device gpu needs CuPy: pip install 'wordkin[cuda]', or use --device cpu\n")
        assert done.err.count("\n") == 1


def test_a_number_of_gpus_asks_for_one():
    several = replace(ON_GPU, own_options=("gpus",))
    assert choose(engines=(several, *BOTH), asked=["gpus"], gpus=2) == ("fast", "gpu")
    with pytest.raises(InputError, match="there is no gpu"):
        choose(engines=(replace(several, require=refuse), *BOTH), asked=["gpus"], gpus=2)
    with pytest.raises(InputError, match="--gpus means nothing to the fast engine"):
        choose(engines=(several, *BOTH), device="cpu", asked=["gpus"], gpus=2)


def test_gpus_that_are_not_there_are_a_line_and_exit_code_2(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    arguments = ("train", "cbow", tmp_path / "none.txt", "--name", "a", "--store", tmp_path)
    done = run(*arguments, "--gpus", 2)
    assert (done.code, done.out) == (2, "")
    assert "device gpu needs CuPy" in done.err
    done = run(*arguments, "--gpus", 2, "--device", "cpu")
    assert done.err == "wordkin: --gpus means nothing to the fast engine\n"
    assert "--gpus must be from 1 to 64" in run(*arguments, "--gpus", 65).err


def test_a_named_engine_is_taken_or_refused():
    assert choose(engine="plain") == ("plain", "cpu")
    with pytest.raises(InputError, match="skipgram is not a model of the fast engine"):
        choose(engine="fast", model="skipgram")
    with pytest.raises(InputError, match="--optimizer means nothing to the fast engine"):
        choose(engine="fast", asked=["optimizer"])
    with pytest.raises(InputError, match="--engine fast is not in this release"):
        choose(engine="fast", engines=(PLAIN,))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "hierarchical-softmax"}, "--loss hierarchical-softmax"),
        ({"subwords": (3, 6)}, "--subwords"),
        ({"device": "gpu", "model": "cbow", "engine": "fast"}, "--device gpu"),
        ({"asked": ["optimizer", "shared_negatives"]}, "--optimizer means nothing to the fast engine"),
        ({"asked": ["buckets"]}, "--buckets means nothing without --subwords"),
        ({"asked": ["negatives"], "loss": "hierarchical-softmax"}, "--negatives means nothing"),
    ],
)
def test_what_no_engine_can_do_is_refused_by_name(settings, message):
    with pytest.raises(InputError, match=message):
        choose(**settings)


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(each, id=each.title, marks=pytest.mark.gpu if each.devices == ("gpu",) else ())
        for each in WORD_VECTOR_ENGINES
    ],
)
def test_the_table_tells_the_truth(engine, text, tmp_path, request):
    """Every model and loss that an engine claims can be made and trained one step."""
    device = next(iter(engine.devices))
    if device == "gpu":
        request.getfixturevalue("gpu")
    from artifact.tokenizer import Tokenizer
    from trainer.corpus import build_corpus

    corpus = build_corpus([str(text)], tmp_path / "corpus", tokenizer=Tokenizer("words"))
    for model in engine.models:
        for loss in engine.losses:
            settings = WordVectorSettings(model=model, loss=loss, dim=8, threads=1)
            learner = engine.build(corpus, settings, device)
            learner.warm_up()
            step = learner.advance()
            assert step.examples > 0
            assert learner.vectors().shape == (len(corpus.counts), 8)
    if engine.subwords:
        settings = WordVectorSettings(subwords=(3, 4), buckets=100, dim=8, threads=1)
        assert engine.build(corpus, settings, device).advance().examples > 0
