import numpy as np
import pytest
from language_serving.models import make_weights

from artifact.errors import Corrupt, Unsupported
from artifact.network import Network
from trainer.backend import numpy_backend
from trainer.language_recipes import RnnlmSettings
from trainer.models.rnnlm import Rnnlm

SIZE = 23
CELLS = ["rnn", "lstm", "gru"]


class AnyOrder:
    """A crew that takes up any piece that can be begun, at random."""

    hands = 3

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.jobs = []

    def perform(self, pieces):
        self.jobs.append(len(pieces))
        left, done = list(pieces), set()
        while left:
            piece = self.random.choice([piece for piece in left if done.issuperset(piece.after)])
            piece.run()
            left.remove(piece)
            done.add(piece)


def make_network(cell="lstm", seed=0, **shape):
    weights = make_weights(np.random.default_rng(seed), size=SIZE, cell=cell, **shape)
    return Network(weights, cell=cell), weights


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_is_the_network_that_the_trainer_trains(cell, layers, tied):
    network, weights = make_network(cell, layers=layers, tied=tied)
    settings = RnnlmSettings(cell=cell, hidden=8, layers=layers, tie_weights=tied)
    rng = np.random.default_rng(1)
    token_ids = rng.integers(0, SIZE, size=40).astype(np.int32)
    (memory,), (hs,) = network.run([network.start()], [token_ids[:-1]])
    scores = network.score(hs, token_ids[1:])

    trained = Rnnlm(weights, settings, backend=numpy_backend())
    trained.reset(1)
    losses = [
        float(
            trained.loss(
                token_ids[place : place + 1, np.newaxis], token_ids[place + 1 : place + 2, np.newaxis]
            )
        )
        for place in range(len(token_ids) - 1)
    ]
    np.testing.assert_allclose(-np.log(scores), losses, rtol=2e-5, atol=2e-5)
    for mine, theirs in zip(memory, trained.state, strict=True):
        np.testing.assert_allclose(mine, np.concatenate(theirs), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_lanes_of_unequal_length_are_as_each_alone(cell):
    network, _ = make_network(cell)
    rng = np.random.default_rng(2)
    texts = [rng.integers(0, SIZE, size=length).astype(np.int32) for length in (3, 9, 0, 1, 9, 2)]
    starts, _ = network.run([network.start()] * 6, [text[::-1] for text in texts])
    untouched = [[layer.copy() for layer in memory] for memory in starts]
    together, hs_together = network.run(starts, texts)
    for lane, text in enumerate(texts):
        (alone,), (hs_alone,) = network.run([starts[lane]], [text])
        assert hs_together[lane].shape == (len(text), network.hidden)
        np.testing.assert_allclose(hs_together[lane], hs_alone, atol=1e-6)
        for layer, expected, before, kept in zip(
            together[lane], alone, starts[lane], untouched[lane], strict=True
        ):
            np.testing.assert_allclose(layer, expected, atol=1e-6)
            np.testing.assert_array_equal(before, kept)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_pieces_in_any_order_that_their_needs_allow_are_as_one_after_another(cell, layers, monkeypatch):
    network, _ = make_network(cell, layers=layers, seed=8)
    rng = np.random.default_rng(5)
    texts = [rng.integers(0, SIZE, size=length).astype(np.int32) for length in (31, 3, 9, 0, 31)]
    memories = [network.start()] * len(texts)
    expected, expected_hs = network.run(memories, texts)
    for seed in range(20):
        monkeypatch.setattr("artifact.network._STEPS_AT_ONCE", 1 + seed % 6)
        crew = AnyOrder(seed)
        got, got_hs = network.run(memories, texts, crew=crew)
        assert crew.jobs[0] > 2 * layers
        for lane in range(len(texts)):
            np.testing.assert_allclose(got_hs[lane], expected_hs[lane], atol=1e-6)
            for layer, other in zip(got[lane], expected[lane], strict=True):
                np.testing.assert_allclose(layer, other, atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_probabilities_in_pieces_are_those_in_one(tied):
    network, _ = make_network(tied=tied)
    for rows in (1, 2, 7):
        hs = np.random.default_rng(rows).uniform(-1, 1, size=(rows, 8)).astype(np.float32)
        crew = AnyOrder(rows)
        got = network.probabilities(hs, crew=crew)
        np.testing.assert_allclose(got, network.probabilities(hs), rtol=1e-5)
        assert crew.jobs[0] > 1


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_words_that_are_not_kept_count_as_those_that_are(rows, monkeypatch):
    text = np.random.default_rng(6).integers(0, SIZE, size=60).astype(np.int32)
    network, _ = make_network()
    _, (expected,) = network.run([network.start()], [text])
    monkeypatch.setattr("artifact.word_projections.MAX_BYTES", rows * 4 * 32)
    network, _ = make_network()
    for _ in range(2):
        _, (hs,) = network.run([network.start()], [text])
        np.testing.assert_allclose(hs, expected, atol=1e-6)


def test_a_prepared_network_computes_no_word_anew(monkeypatch):
    monkeypatch.setattr("artifact.word_projections._ROWS_AT_ONCE", 7)
    text = np.arange(SIZE, dtype=np.int32)
    network, _ = make_network()
    _, (expected,) = network.run([network.start()], [text])
    network, _ = make_network()
    network.prepare()
    monkeypatch.setattr(network._words, "_compute", None)
    _, (hs,) = network.run([network.start()], [text])
    np.testing.assert_allclose(hs, expected, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_long_text_in_one_pass_is_as_word_by_word(cell, monkeypatch):
    network, _ = make_network(cell)
    text = np.random.default_rng(3).integers(0, SIZE, size=50).astype(np.int32)
    whole, (hs,) = network.run([network.start()], [text])
    memory = network.start()
    for place, word in enumerate(text):
        (memory,), (h,) = network.run([memory], [np.array([word])])
        np.testing.assert_allclose(h[0], hs[place], atol=1e-5)
    monkeypatch.setattr("artifact.network._ROWS_AT_ONCE", 7)
    again, (pieced,) = network.run([network.start()], [text])
    np.testing.assert_allclose(pieced, hs, atol=1e-6)
    for layer, expected in zip(again[0], whole[0], strict=True):
        np.testing.assert_allclose(layer, expected, atol=1e-6)


def test_probabilities_sum_to_one_and_score_picks_from_them(monkeypatch):
    network, _ = make_network(scale=3.0)
    hs = np.random.default_rng(4).uniform(-1, 1, size=(30, 8)).astype(np.float32)
    probabilities = network.probabilities(hs)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    targets = np.arange(30, dtype=np.int32) % SIZE
    monkeypatch.setattr("artifact.network._LOGITS_AT_ONCE", 4 * SIZE)
    np.testing.assert_allclose(network.score(hs, targets), probabilities[np.arange(30), targets], rtol=1e-5)
    extreme = network.probabilities(hs * 1e4)
    assert np.isfinite(extreme).all()


@pytest.mark.parametrize("tied", [True, False])
def test_half_precision_is_near(tied):
    network, weights = make_network(tied=tied, scale=0.2)
    half = Network({name: array.astype(np.float16) for name, array in weights.items()}, cell="lstm")
    text = np.arange(12, dtype=np.int32)
    _, (hs,) = network.run([network.start()], [text])
    _, (half_hs,) = half.run([half.start()], [text])
    assert half_hs.dtype == np.float32
    np.testing.assert_allclose(half_hs, hs, atol=5e-3)
    np.testing.assert_allclose(half.probabilities(half_hs), network.probabilities(hs), atol=5e-3)


def test_ids_outside_are_refused():
    network, _ = make_network()
    for token_id in (-1, SIZE):
        with pytest.raises(IndexError, match="outside"):
            network.run([network.start()], [np.array([1, token_id])])


def test_nothing_to_read_changes_nothing():
    network, _ = make_network()
    assert network.run([], []) == ([], [])
    (memory,), (hs,) = network.run([network.start()], [np.empty(0, dtype=np.int32)])
    assert hs.shape == (0, 8)
    assert not memory[0].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedding": None}, "lack embedding"),
        ({"embedding": np.zeros(23, np.float32)}, "embedding is"),
        ({"layer0.w_h": None, "layer1.w_h": None}, "lack layer0.w_h"),
        ({"layer0.w_x": np.zeros((8, 31), np.float32)}, "layer0.w_x"),
        ({"layer1.b": None}, "lack layer1.b"),
        ({"layer1.b": np.zeros(32, np.float64)}, "layer1.b"),
        ({"layer2.b": np.zeros(32, np.float32)}, "layer2.b"),
        ({"layer0.b_h": np.zeros(32, np.float32)}, "layer0.b_h"),
        ({"output": np.zeros((23, 8), np.float32)}, "output"),
        ({"output_bias": np.zeros(22, np.float32)}, "output_bias"),
        ({"surprise": np.zeros(2, np.float32)}, "surprise"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, message):
    _, weights = make_network()
    changed = {name: array for name, array in {**weights, **change}.items() if array is not None}
    with pytest.raises(Corrupt, match=message):
        Network(changed, cell="lstm")


def test_an_unknown_cell_is_refused_by_name():
    _, weights = make_network()
    with pytest.raises(Unsupported, match="'transformer'"):
        Network(weights, cell="transformer")


def test_tied_weights_need_one_width():
    with pytest.raises(Corrupt, match="tied"):
        make_network(inputs=5, tied=True)
    network, _ = make_network(inputs=5)
    assert network.run([network.start()], [np.array([1, 2])])[1][0].shape == (2, 8)


def test_weights_that_are_not_finite_are_found():
    network, weights = make_network()
    network.check()
    weights["layer1.w_h"][3, 4] = np.nan
    with pytest.raises(Corrupt, match=r"layer1\.w_h"):
        Network(weights, cell="lstm").check()
