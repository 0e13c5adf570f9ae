import numpy as np
import pytest
from gradients import check_gradients

from trainer.backend import numpy_backend
from trainer.layers.hierarchical_softmax import HierarchicalSoftmaxLoss, HuffmanTree
from trainer.layers.negative_sampling import NegativeSamplingLoss
from trainer.models.cbow import CBOW
from trainer.models.skipgram import SkipGram
from trainer.models.subwords import SubwordRows

CPU = numpy_backend()
V, D = 7, 4
CONTEXTS = np.array([[1, 2, 1], [0, 0, 6], [3, 0, 0], [5, 4, 0]])
WEIGHTS = np.array([[1, 1, 0.5], [0, 1, 1], [0, 0, 0], [1, 0.25, 0]])  # the third word stands alone
TARGETS = np.array([2, 3, 0, 2])
NEGATIVES = np.array([[1, 6], [5, 3], [4, 1], [2, 0]])  # 3 and 2 hit the target


def log_sigmoid(x):
    return -np.log1p(np.exp(-x))


@pytest.fixture
def tables(rng):
    return {"input": rng.standard_normal((V, D)), "output": rng.standard_normal((V, D))}


def output_layer(tables, loss, **options):
    if loss == "negative-sampling":
        return NegativeSamplingLoss(tables["output"], backend=CPU, **options)
    tables["output"] = tables["output"][: V - 1].copy()
    return HierarchicalSoftmaxLoss(
        tables["output"], tree=HuffmanTree(np.arange(V, 0, -1), backend=CPU), backend=CPU
    )


def subwords_of(kind):
    if kind == "words":
        return None
    # Of one, two and three rows; word 3 has the same one twice.
    rows = [[i, (i + 1) % V, 3][: 1 + i % 3] for i in range(V)]
    rows[3] = [3, 5, 5]
    return SubwordRows(np.cumsum([0, *map(len, rows)]), np.concatenate(rows))


@pytest.mark.parametrize("subwords", ["words", "subwords"])
@pytest.mark.parametrize("loss", ["negative-sampling", "hierarchical-softmax"])
@pytest.mark.parametrize("model", [CBOW, SkipGram])
def test_gradient(tables, model, loss, subwords):
    output = output_layer(tables, loss)
    made = model(tables["input"], output=output, backend=CPU, subwords=subwords_of(subwords))
    batch = {"contexts": CONTEXTS, "weights": WEIGHTS, "targets": TARGETS}
    if loss == "negative-sampling":
        batch["negatives"] = NEGATIVES
    check_gradients(
        lambda: float(made.loss_and_gradients(**batch).loss_sum),
        parameters=tables,
        gradients=made.loss_and_gradients(**batch).gradients,
    )


def pair_loss(h, W, target, negatives, weight=1.0):
    found = -log_sigmoid(h @ W[target])
    return found - weight * sum(log_sigmoid(-h @ W[k]) for k in negatives if k != target)


def test_cbow_is_the_mean_of_the_context_against_the_target(tables):
    output = output_layer(tables, "negative-sampling", negative_weight=0.5)
    result = CBOW(tables["input"], output=output, backend=CPU).loss_and_gradients(
        contexts=CONTEXTS, weights=WEIGHTS, targets=TARGETS, negatives=NEGATIVES
    )
    expected = 0.0
    for b in (0, 1, 3):
        h = (
            sum(w * tables["input"][c] for w, c in zip(WEIGHTS[b], CONTEXTS[b], strict=True))
            / WEIGHTS[b].sum()
        )
        expected += pair_loss(h, tables["output"], TARGETS[b], NEGATIVES[b], 0.5)
    assert float(result.loss_sum) == pytest.approx(expected, rel=1e-12)
    assert result.examples == 3


@pytest.mark.parametrize("shared", [True, False])
def test_skipgram_is_each_context_word_against_the_target(tables, rng, shared):
    output = output_layer(tables, "negative-sampling")
    negatives = NEGATIVES if shared else rng.integers(0, V, (4, 3, 2))
    result = SkipGram(tables["input"], output=output, backend=CPU).loss_and_gradients(
        contexts=CONTEXTS, weights=WEIGHTS, targets=TARGETS, negatives=negatives
    )
    expected, pairs = 0.0, 0
    for b, c in zip(*np.nonzero(WEIGHTS), strict=True):
        drawn = negatives[b] if shared else negatives[b, c]
        h = tables["input"][CONTEXTS[b, c]]
        expected += WEIGHTS[b, c] * pair_loss(h, tables["output"], TARGETS[b], drawn)
        pairs += 1
    assert float(result.loss_sum) == pytest.approx(expected, rel=1e-12)
    assert result.examples == pairs


def test_cbow_with_one_neighbour_is_skipgram(tables):
    batch = {
        "contexts": CONTEXTS[:, :1],
        "weights": np.ones((4, 1)),
        "targets": TARGETS,
        "negatives": NEGATIVES,
    }
    cbow, skipgram = (
        model(
            tables["input"], output=output_layer(tables, "negative-sampling"), backend=CPU
        ).loss_and_gradients(**batch)
        for model in (CBOW, SkipGram)
    )
    assert cbow.loss_sum == skipgram.loss_sum
    for name in tables:
        assert np.array_equal(cbow.gradients[name].values, skipgram.gradients[name].values)


def test_undivided_context_gradient_is_that_of_word2vec(tables):
    """For one window: the exact gradient times the sum of the weights, times the factor."""
    one = {
        "contexts": CONTEXTS[:1],
        "weights": WEIGHTS[:1],
        "targets": TARGETS[:1],
        "negatives": NEGATIVES[:1],
    }
    output = output_layer(tables, "negative-sampling")
    exact = CBOW(tables["input"], output=output, backend=CPU).loss_and_gradients(**one)
    undivided = CBOW(tables["input"], output=output, backend=CPU, context_gradient=0.2).loss_and_gradients(
        **one
    )
    factor = 0.2 * WEIGHTS[0].sum()
    np.testing.assert_allclose(undivided.gradients["input"].values, factor * exact.gradients["input"].values)
    np.testing.assert_array_equal(undivided.gradients["output"].values, exact.gradients["output"].values)


@pytest.mark.parametrize("model", [CBOW, SkipGram])
def test_a_word_is_the_mean_of_its_rows(tables, model):
    subwords = subwords_of("subwords")
    batch = {"contexts": CONTEXTS, "weights": WEIGHTS, "targets": TARGETS, "negatives": NEGATIVES}
    bounds = zip(subwords.starts[:-1], subwords.starts[1:], strict=True)
    means = np.array([tables["input"][subwords.rows[start:end]].mean(axis=0) for start, end in bounds])
    output = output_layer(tables, "negative-sampling")
    composed = model(tables["input"], output=output, backend=CPU, subwords=subwords)
    words = model(means, output=output, backend=CPU)
    found, expected = composed.loss_and_gradients(**batch), words.loss_and_gradients(**batch)
    assert found.loss_sum == pytest.approx(expected.loss_sum, rel=1e-12)
    # Rows of words that are not there get no gradient, not even one of zeros.
    seen = np.unique(CONTEXTS[WEIGHTS > 0])
    rows = np.unique(
        np.concatenate([subwords.rows[subwords.starts[i] : subwords.starts[i + 1]] for i in seen])
    )
    assert found.gradients["input"].rows.tolist() == rows.tolist()


def test_a_batch_without_any_context_teaches_nothing(tables):
    nothing = {
        "contexts": CONTEXTS[:1],
        "weights": 0 * WEIGHTS[:1],
        "targets": TARGETS[:1],
        "negatives": NEGATIVES[:1],
    }
    for model in (CBOW, SkipGram):
        output = output_layer(tables, "negative-sampling")
        made = model(tables["input"], output=output, backend=CPU, subwords=subwords_of("subwords"))
        result = made.loss_and_gradients(**nothing)
        assert result.loss_sum == 0
        assert len(result.gradients["input"].rows) == 0


def test_subwords_of_weight_one_alone_are_words(tables):
    batch = {"contexts": CONTEXTS, "weights": WEIGHTS, "targets": TARGETS, "negatives": NEGATIVES}
    itself = SubwordRows(np.arange(V + 1), np.arange(V))
    output = output_layer(tables, "negative-sampling")
    for model in (CBOW, SkipGram):
        words = model(tables["input"], output=output, backend=CPU).loss_and_gradients(**batch)
        rows = model(tables["input"], output=output, backend=CPU, subwords=itself).loss_and_gradients(**batch)
        assert words.loss_sum == rows.loss_sum
        assert np.array_equal(words.gradients["input"].values, rows.gradients["input"].values)
