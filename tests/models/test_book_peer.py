"""The peer that our speed is measured against computes what our CBOW computes."""

import numpy as np
import pytest

from bench import book
from trainer.backend import numpy_backend
from trainer.layers.negative_sampling import NegativeSamplingLoss
from trainer.models.cbow import CBOW
from trainer.optimizers import Adam

CPU = numpy_backend()


def test_one_step_of_the_peer_is_one_step_of_ours(rng, monkeypatch):
    counts = np.array([9, 5, 3, 2, 1, 1])
    contexts, targets = rng.integers(0, 6, (8, 4)), rng.integers(0, 6, 8)
    negatives = (targets[:, None] + rng.integers(1, 6, (8, 3))) % 6
    monkeypatch.setattr(book.UnigramSampler, "get_negative_sample", lambda *_: negatives)
    peer = book.CBOW(counts, hidden_size=5, window_size=2, sample_size=3)
    W_in, W_out = peer.in_layers[0].params[0], peer.dot_layers[0].params[0]
    tables = {"input": W_in.copy(), "output": W_out.copy()}

    loss = peer.forward(contexts, targets)
    peer.backward()
    params, grads = book.remove_duplicate(peer.params, peer.grads)
    output = NegativeSamplingLoss(tables["output"], backend=CPU)
    ours = CBOW(tables["input"], output=output, backend=CPU).loss_and_gradients(
        contexts=contexts, weights=np.ones((8, 4), np.float32), targets=targets, negatives=negatives
    )

    assert [id(each) for each in params] == [id(W_in), id(W_out)]
    assert loss == pytest.approx(float(ours.loss_sum) / 8, rel=1e-5)
    for (name, gradient), of_peer in zip(ours.gradients.items(), grads, strict=True):
        np.testing.assert_allclose(gradient.to_dense(CPU) / 8, of_peer, rtol=1e-4, atol=1e-7, err_msg=name)

    book.Adam().update(params, grads)
    Adam(tables, backend=CPU).step(
        {name: gradient.to_dense(CPU) / 8 for name, gradient in ours.gradients.items()}, learning_rate=0.001
    )
    np.testing.assert_allclose(tables["input"], W_in, atol=1e-6)
    np.testing.assert_allclose(tables["output"], W_out, atol=1e-6)


def test_the_peer_draws_three_quarters_and_never_the_target():
    sampler = book.UnigramSampler(np.array([70, 29, 1]))
    np.testing.assert_allclose(sampler.word_p, [0.64196878, 0.33150408, 0.02652714], atol=5e-9)
    drawn = sampler.get_negative_sample(np.array([0, 1, 2] * 10), 2)
    assert all(set(row.tolist()) == {0, 1, 2} - {t % 3} for t, row in enumerate(drawn))
