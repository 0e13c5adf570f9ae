"""The fast layers against the plain ones."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.backend import numpy_backend
from trainer.engines.emission import HAS_32_WIDE_REGISTERS
from trainer.engines.language.engine import FastToolbox, fast_engine
from trainer.engines.language.functions import exp_negative, sigmoid, tanh
from trainer.engines.language.layers import FastOutput
from trainer.engines.language.packing import Packed
from trainer.engines.language.panels import (
    multiply_add,
    multiply_turned,
    pack,
    packed_width,
    panel_count,
)
from trainer.engines.language.tiles import TILE_ROWS
from trainer.language_recipes import RnnlmSettings
from trainer.layers.gradients import RowGradient, merge_gradients
from trainer.layers.softmax import SoftmaxOutput
from trainer.models.rnnlm import Rnnlm, initial_parameters
from trainer.models.rnnlm_learner import LanguageEngine, RnnlmLearner

BACKEND = numpy_backend()


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def pack_whole(matrix):
    packed = np.empty(len(matrix) * packed_width(matrix.shape[1]), np.float32)
    pack(matrix, packed, 0, matrix.shape[1])
    return packed


def multiply(a, b, out, keep=1):
    multiply_add(a, pack_whole(b), out, keep)


def draw_out(*shape, keep):
    """What is not kept may be anything before."""
    return draw(*shape, seed=2) if keep else np.full(shape, np.nan, np.float32)


@settings(max_examples=60)
@given(
    st.integers(1, 2 * TILE_ROWS + 3),
    st.integers(1, 40),
    st.integers(1, 200),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1),
)
def test_products(rows, depth, columns, a_turned, b_turned, keep):
    a = draw(depth, rows).T if a_turned else draw(rows, depth)
    b = draw(columns, depth, seed=1).T if b_turned else draw(depth, columns, seed=1)
    out = draw_out(rows, columns, keep=keep)
    expected = (out if keep else 0) + a.astype(np.float64) @ b
    multiply(a, b, out, keep)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 200), st.integers(1, 200), st.integers(0, 1))
def test_products_of_turned_matrices(rows, height, columns, keep):
    a, b = draw(rows, height), draw(rows, columns, seed=1)
    out = draw_out(height, columns, keep=keep)
    expected = (out if keep else 0) + a.T.astype(np.float64) @ b
    multiply_turned(pack_whole(a), pack_whole(b), rows, out, 0, panel_count(max(height, columns)), keep)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


def test_long_products_are_cut_into_depths():
    a, b = draw(3, 1500), draw(1500, 90, seed=1)
    out = np.zeros((3, 90), np.float32)
    multiply(a, b, out)
    np.testing.assert_allclose(out, a.astype(np.float64) @ b, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not HAS_32_WIDE_REGISTERS, reason="the shape of tiles of this machine is tested already")
def test_products_as_machines_with_fewer_registers_compute_them(tmp_path):
    older = {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx2,+avx,+fma,+bmi,+bmi2,+f16c,+sse4.2,+popcnt",
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "test_products or test_output"]
    command += ["--deselect", f"{__file__}::test_products_as_machines_with_fewer_registers_compute_them"]
    found = subprocess.run(command, env=os.environ | older, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-3000:]


def test_panels_can_be_packed_in_parts():
    matrix = draw(7, 333)
    whole, parts = np.empty((2, 7 * packed_width(333)), np.float32)
    pack(matrix, whole, 0, 333)
    packed = Packed(matrix)
    packed.straight = parts
    for job in packed.jobs(parts=3, turned=True):
        pack(*job)
    assert len(packed.jobs(parts=3, turned=False)) > 1
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.parametrize(
    ("function", "exact", "low", "tolerance"),
    [
        (exp_negative, np.exp, -87, 4e-7),
        (sigmoid, lambda x: 1 / (1 + np.exp(-x)), -40, 2e-7),
        (tanh, np.tanh, -40, 4e-7),
    ],
)
def test_functions(function, exact, low, tolerance):
    high = 0 if function is exp_negative else 40
    for x in np.linspace(low, high, 3001, dtype=np.float32):
        expected = exact(np.float64(x))
        error = abs(function(x) - expected) / (expected if function is exp_negative else 1)
        assert error <= tolerance
    assert np.isnan(function(np.float32(np.nan)))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("rows_at_once", [4, 100])
@pytest.mark.parametrize(("size", "hidden"), [(333, 30), (160, 16), (7, 3)])
def test_output(tied, rows_at_once, size, hidden, monkeypatch):
    monkeypatch.setattr(
        "trainer.engines.language.layers.SCORE_BYTES", 4 * int(packed_width(size)) * rows_at_once
    )
    hs, b = draw(5, 3, hidden) * 2, draw(size, seed=1)
    W = draw(size, hidden, seed=2).T if tied else draw(hidden, size, seed=2)
    targets = np.random.default_rng(3).integers(-1, size, (5, 3)).astype(np.int32)
    packed = Packed(W)
    packed.refresh()
    fast = FastOutput(W, b, backend=BACKEND, packed=packed)
    plain = SoftmaxOutput(W.astype(np.float64), b.astype(np.float64), backend=BACKEND)
    expected = plain.loss_and_gradients(hs.astype(np.float64), targets, d_loss=0.25)
    found = fast.loss_and_gradients(hs, targets, d_loss=0.25)
    assert found[0] == pytest.approx(float(expected[0]), rel=1e-6)
    assert fast.loss(hs, targets) == pytest.approx(float(expected[0]), rel=1e-6)
    for gradient, exact in zip(found[1:], expected[1:], strict=True):
        assert gradient.shape == exact.shape
        np.testing.assert_allclose(gradient, exact, rtol=1e-4, atol=2e-6)


def test_scores_that_are_no_numbers_are_not_hidden():
    W = draw(4, 50)
    packed = Packed(W)
    packed.refresh()
    output = FastOutput(W, draw(50), backend=BACKEND, packed=packed)
    hs = draw(2, 1, 4)
    hs[1, 0, 2] = np.nan
    targets = np.zeros((2, 1), np.int32)
    assert np.isnan(output.loss(hs, targets))
    hs[1, 0, 2] = np.inf
    assert not np.isfinite(output.loss(hs, targets))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("tied", [False, True])
def test_model(cell, tied):
    """Losses, states and all gradients over two blocks, with every regulariser, to float32's rounding."""
    model_settings = RnnlmSettings(
        cell=cell,
        hidden=37,
        embedding=21,
        layers=2,
        tie_weights=tied,
        dropout=0.3,
        weight_drop=0.3,
        variational=True,
        activation_penalty=0.5,
        change_penalty=0.5,
        initial="uniform",
        threads=1,
    )
    parameters = initial_parameters(model_settings, size=101)
    exact = {name: table.astype(np.float64) for name, table in parameters.items()}
    toolbox = FastToolbox(parameters, None, 1)
    plain = Rnnlm(exact, model_settings, backend=BACKEND)
    fast = Rnnlm(parameters, model_settings, backend=BACKEND, toolbox=toolbox)
    words = np.random.default_rng(0)
    toolbox.prepare(gradients=True)
    for model in (plain, fast):
        model.reset(4)
    for block in range(2):
        inputs, targets = words.integers(0, 101, (2, 6, 4)).astype(np.int32)
        results = []
        for model in (plain, fast):
            masks = np.random.default_rng(block)
            loss, gradients = model.loss_and_gradients(inputs, targets, scale=0.1, generator=masks)
            arrays = [(name, g if isinstance(g, RowGradient) else np.asarray(g)) for name, g in gradients]
            results.append((float(loss), merge_gradients(arrays, BACKEND)))
        (loss, gradients), (fast_loss, fast_gradients) = results
        assert fast_loss == pytest.approx(loss, rel=1e-5)
        assert set(fast_gradients) == set(gradients)
        for name, gradient in gradients.items():
            dense = [
                each.to_dense(BACKEND) if isinstance(each, RowGradient) else each
                for each in (fast_gradients[name], gradient)
            ]
            np.testing.assert_allclose(*dense, rtol=1e-3, atol=1e-5, err_msg=name)
        for layer, fast_layer in zip(plain.state, fast.state, strict=True):
            for part, fast_part in zip(layer, fast_layer, strict=True):
                np.testing.assert_allclose(fast_part, part, rtol=1e-4, atol=1e-5)


def test_the_state_outlives_the_next_block():
    model_settings = RnnlmSettings(hidden=8, threads=1)
    parameters = initial_parameters(model_settings, size=30)
    toolbox = FastToolbox(parameters, None, 1)
    model = Rnnlm(parameters, model_settings, backend=BACKEND, toolbox=toolbox)
    toolbox.prepare(gradients=False)
    words = np.random.default_rng(0).integers(0, 30, (4, 2)).astype(np.int32)
    model.reset(2)
    model.loss(words, words)
    state = model.state
    kept = [[part.copy() for part in layer] for layer in state]
    model.loss(words, words)
    for layer, before in zip(state, kept, strict=True):
        for part, expected in zip(layer, before, strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_training_ends_where_the_plain_one_does(threads, optimizer):
    words = np.random.default_rng(0).integers(0, 60, 1500).astype(np.int32)
    model_settings = RnnlmSettings(
        hidden=19,
        tie_weights=True,
        optimizer=optimizer,
        learning_rate={"sgd": 2.0, "adamw": 1e-3}[optimizer],
        weight_decay=0.01,
        epochs=2,
        batch_size=7,
        time_steps=10,
        threads=1,
    )
    learners = [
        RnnlmLearner(
            words,
            dataclasses.replace(model_settings),
            size=60,
            end_of_line=0,
            valid_ids=words[:300],
            backend=BACKEND,
            engine=engine,
        )
        for engine in (LanguageEngine(), dataclasses.replace(fast_engine(threads), warm_up=None))
    ]
    for learner in learners:
        while not learner.finished():
            learner.advance()
    plain, fast = learners
    for expected, found in zip(plain.epochs, fast.epochs, strict=True):
        assert found.valid_perplexity == pytest.approx(expected.valid_perplexity, rel=1e-4)
        assert found.train_perplexity == pytest.approx(expected.train_perplexity, rel=1e-4)
    for name, table in plain.parameters.items():
        np.testing.assert_allclose(fast.parameters[name], table, rtol=1e-2, atol=2e-4, err_msg=name)
