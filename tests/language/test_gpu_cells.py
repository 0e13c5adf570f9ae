"""The recurrent kernels compute what the plain layers compute: on the CPU, through grid_on_cpu.h, and on a GPU where there is one."""

import numpy as np
import pytest
from language.emulated_cells import COMPILER, EmulatedCellDevice

from trainer.backend import numpy_backend
from trainer.engines.language.gpu_cells import GpuCells
from trainer.layers.gru import TimeGRU
from trainer.layers.lstm import TimeLSTM
from trainer.layers.recurrent import TimeRNN

needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="no C++ compiler to run the kernels on the CPU with"
)
LAYERS = {"rnn": TimeRNN, "lstm": TimeLSTM, "gru": TimeGRU}
SHAPES = [  # units, lanes, steps, multiprocessors, KiB of shared memory
    (7, 3, 5, 3, 227),
    (37, 1, 2, 5, 227),
    (37, 20, 3, 6, 60),
    (100, 3, 2, 20, 40),
    (100, 20, 1, 4, 48),
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cells")


class Plain:
    """A plain layer in float64 on random numbers: what the kernels are given, and what they must find."""

    def __init__(self, cell, *, size, lanes, steps, seed):
        rng = np.random.default_rng(seed)
        kind = LAYERS[cell]
        inputs, width = 5, kind.gates * size
        scale = 1 / np.sqrt(size)
        shapes = {"w_x": (inputs, width), "w_h": (size, width), "b": (width,)}
        if cell == "gru":
            shapes["b_h"] = (width,)
        self.weights = {name: rng.normal(0, scale, shape) for name, shape in shapes.items()}
        layer = kind(self.weights, backend=numpy_backend())
        layer.reset(lanes)
        layer.state = tuple(rng.uniform(-1, 1, (lanes, size)) for _ in layer.state)
        self.state = layer.state
        xs = rng.normal(0, 1, (steps, lanes, inputs))
        self.sums = xs @ self.weights["w_x"] + self.weights["b"]
        self.d_hs = rng.normal(0, 1, (steps, lanes, size))
        self.hs = layer.forward(xs)
        self.layer = layer
        self.d_x_sums, self.d_h_sums = layer._run_back(self.d_hs)
        self.d_state = layer.d_state


def run(cells, plain, cell, to_device, to_numpy):
    """Forward and backward; returns what was found and what is right, by name."""
    steps, lanes, width = plain.sums.shape
    size = plain.hs.shape[2]
    w_h = to_device(plain.weights["w_h"])
    d_hs = to_device(plain.d_hs)

    def make(*shape, first=None):
        array = np.full(shape, np.nan)
        if first is not None:
            array[0] = first
        return to_device(array)

    hs = make(steps + 1, lanes, size, first=plain.state[0])
    d_h, d_sums = make(lanes, size), make(steps, lanes, width)
    sums = to_device(plain.sums)
    found = {"hs": hs[1:], "d_h": d_h, "d_x_sums": d_sums}
    right = {"hs": plain.hs, "d_h": plain.d_state[0], "d_x_sums": plain.d_x_sums}
    if cell == "rnn":
        cells.rnn_forward(hs, sums, w_h)
        cells.rnn_backward(d_hs, hs, w_h, d_sums, d_h)
    elif cell == "lstm":
        cs = make(steps + 1, lanes, size, first=plain.state[1])
        tanh_cs, d_c = make(steps, lanes, size), make(lanes, size)
        cells.lstm_forward(hs, cs, tanh_cs, sums, w_h)
        cells.lstm_backward(d_hs, cs, tanh_cs, sums, w_h, d_sums, d_h, d_c)
        found |= {"cs": cs[1:], "tanh_cs": tanh_cs, "gates": sums, "d_c": d_c}
        right |= {"cs": plain.layer._cs[1:], "tanh_cs": plain.layer._tanh_cs[1:]}
        right |= {"gates": plain.layer._gates, "d_c": plain.d_state[1]}
    else:
        h_sums, d_h_sums = make(steps, lanes, width), make(steps, lanes, width)
        cells.gru_forward(hs, sums, h_sums, w_h, to_device(plain.weights["b_h"]))
        cells.gru_backward(d_hs, hs, sums, h_sums, w_h, d_sums, d_h_sums, d_h)
        found |= {"gates": sums, "h_sums": h_sums, "d_h_sums": d_h_sums}
        right |= {"gates": plain.layer._gates, "h_sums": plain.layer._h_sums, "d_h_sums": plain.d_h_sums}
    return {name: to_numpy(array) for name, array in found.items()}, right


def to_float32(array):
    return np.array(array, np.float32, order="C")


def compare(found, right):
    for name, expected in right.items():
        np.testing.assert_allclose(found[name], expected, rtol=2e-5, atol=2e-6, err_msg=name)


@needs_compiler
@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize(("size", "lanes", "steps", "multiprocessors", "kib"), SHAPES)
def test_the_kernels_do_what_the_layers_do(cell, size, lanes, steps, multiprocessors, kib, folder):
    order = size + lanes + steps
    device = EmulatedCellDevice(folder, multiprocessors=multiprocessors, shared_bytes=kib << 10, order=order)
    cells = GpuCells(device)
    for seed in (0, 1):  # a launch leaves the barrier as it found it
        plain = Plain(cell, size=size, lanes=lanes, steps=steps, seed=seed)
        compare(*run(cells, plain, cell, to_float32, np.asarray))


@pytest.mark.gpu
@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize(("size", "lanes", "steps"), [(7, 3, 5), (100, 20, 35), (650, 20, 35), (1150, 64, 9)])
def test_the_kernels_do_what_the_layers_do_on_a_gpu(cell, size, lanes, steps, gpu):
    cells = GpuCells()
    for seed in (0, 1):
        plain = Plain(cell, size=size, lanes=lanes, steps=steps, seed=seed)
        found, right = run(cells, plain, cell, lambda array: gpu.asarray(to_float32(array)), gpu.to_numpy)
        for name, expected in right.items():
            np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.gpu
def test_a_graph_runs_a_layer_as_often_as_it_is_launched(gpu):
    cells, xp = GpuCells(), gpu.xp
    plain = Plain("lstm", size=100, lanes=20, steps=35, seed=0)
    steps, lanes, width = plain.sums.shape
    size = plain.hs.shape[2]
    given, w_h, d_hs = (
        gpu.asarray(to_float32(array)) for array in (plain.sums, plain.weights["w_h"], plain.d_hs)
    )
    hs, cs = (xp.zeros((steps + 1, lanes, size), np.float32) for _ in range(2))
    hs[0], cs[0] = (gpu.asarray(to_float32(each)) for each in plain.state)
    tanh_cs, gates = xp.empty((steps, lanes, size), np.float32), xp.empty((steps, lanes, width), np.float32)
    d_sums, (d_h, d_c) = xp.empty_like(gates), xp.empty((2, lanes, size), np.float32)
    cells.prepare("lstm", size=size, lanes=lanes)
    stream = xp.cuda.Stream(non_blocking=True)
    xp.cuda.Device().synchronize()
    with stream:
        stream.begin_capture()
        cells.lstm_forward(hs, cs, tanh_cs, gates, w_h)
        cells.lstm_backward(d_hs, cs, tanh_cs, gates, w_h, d_sums, d_h, d_c)
        graph = stream.end_capture()
        found = []
        for _ in range(3):
            gates[...] = given
            graph.launch(stream)
            stream.synchronize()
            found.append([gpu.to_numpy(array) for array in (hs, cs, gates, d_sums, d_h, d_c)])
    np.testing.assert_allclose(found[0][0][1:], plain.hs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[0][4], plain.d_state[0], rtol=1e-4, atol=1e-5)
    for again in found[1:]:
        for first, second in zip(found[0], again, strict=True):
            np.testing.assert_array_equal(first, second)
