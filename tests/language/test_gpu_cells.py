"""The recurrent kernels compute what the plain layers compute: on the CPU, through grid_on_cpu.h, and on a GPU where there is one."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from engines.cpu_compiler import needs_compiler
from language.emulated_cells import EmulatedCellDevice

from artifact.errors import InputError
from trainer.backend import numpy_backend
from trainer.engines.language.gpu_cells import GpuCells
from trainer.engines.language.gpu_cells_choice import choose_plan, rank_plans
from trainer.engines.language.gpu_cells_plan import CellLimits
from trainer.layers.gru import TimeGRU
from trainer.layers.lstm import TimeLSTM
from trainer.layers.recurrent import TimeRNN

LAYERS = {"rnn": TimeRNN, "lstm": TimeLSTM, "gru": TimeGRU}
LITTLE = {"multiprocessors": 4, "shared_bytes": 48 << 10}
KINDS = {  # precision and cell; units, lanes and steps; what the device has; what the plans must have
    "one lane group": ("float32 lstm", (7, 3, 5), {}, {}),
    "several lane groups": ("float32 gru", (37, 20, 3), {"multiprocessors": 6}, {}),
    "weights from memory": ("float32 lstm", (100, 20, 2), LITTLE, {"streamed": True}),
    "splits in turns": ("float32 gru", (100, 20, 1), LITTLE, {}),
    "no gates": ("float32 rnn", (37, 1, 2), {}, {}),
    "tensor cores": ("tf32 lstm", (37, 3, 3), {}, {"ranks": 1}),
    "clusters": ("tf32 gru", (37, 20, 3), {"multiprocessors": 8, "clusters": (2, 4)}, {"ranks": 4}),
    "clusters of two": ("tf32 rnn", (7, 1, 5), {"multiprocessors": 4, "clusters": (2,)}, {"ranks": 2}),
    "clusters and weights from memory": (
        "tf32 lstm",
        (100, 20, 2),
        {"multiprocessors": 4, "shared_bytes": 72 << 10, "clusters": (2,)},
        {"ranks": 2, "streamed": True},
    ),
    "rounded": ("bfloat16 lstm", (37, 20, 3), {"multiprocessors": 8, "clusters": (2, 4)}, {"ranks": 2}),
    "rounded, weights from memory": (
        "bfloat16 gru",
        (100, 3, 2),
        {"multiprocessors": 4, "shared_bytes": 16 << 10},
        {"streamed": True},
    ),
}
TOLERANCES = {"float32": 2e-6, "tf32": 2e-5, "bfloat16": 2e-2}  # errors are carried from step to step


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


def compare(found, right, *, precision):
    tolerance = TOLERANCES[precision]
    for name, expected in right.items():
        np.testing.assert_allclose(found[name], expected, rtol=10 * tolerance, atol=tolerance, err_msg=name)


def adopt(cells, cell, size, lanes, wanted):
    """The best plans of those that have what is wanted."""

    def choose(backward):
        plans = rank_plans(
            cell,
            backward=backward,
            size=size,
            lanes=lanes,
            limits=cells.device.limits,
            precision=cells.precision,
        )
        return next(
            plan for plan in plans if all(getattr(plan, name) == value for name, value in wanted.items())
        )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(cells.adopt, map(choose, (False, True))))


@needs_compiler
@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_do_what_the_layers_do(kind, folder):
    what, (size, lanes, steps), has, wanted = KINDS[kind]
    precision, cell = what.split()
    device = EmulatedCellDevice(folder, **has)
    cells = GpuCells(device, precision=precision)
    adopt(cells, cell, size, lanes, wanted)
    for seed in range(3):  # a launch leaves the barrier as it found it
        device.order = seed
        plain = Plain(cell, size=size, lanes=lanes, steps=steps, seed=seed)
        compare(*run(cells, plain, cell, to_float32, np.asarray), precision=precision)
    assert len(device.plans) == 6


def test_without_tensor_cores_all_is_in_float32(folder):
    assert (
        GpuCells(EmulatedCellDevice(folder, has_tensor_cores=False), precision="tf32").precision == "float32"
    )


@needs_compiler
def test_a_launch_that_would_write_elsewhere_is_refused(folder):
    cells = GpuCells(EmulatedCellDevice(folder))
    hs, sums, w_h = (np.zeros(shape, np.float32) for shape in ((3, 2, 7), (2, 2, 7), (7, 7)))
    for wrong in (hs[1:], hs.astype(np.float64), np.zeros((3, 2, 14), np.float32)[:, :, ::2]):
        with pytest.raises(ValueError, match=r"not contiguous float32 \(3, 2, 7\)"):
            cells.rnn_forward(wrong, sums, w_h)
    with pytest.raises(ValueError, match=r"w_h is \(6, 7\)"):
        cells.rnn_forward(hs, sums, w_h[1:])


def test_a_layer_that_has_no_room_is_refused():
    limits = CellLimits(shared_bytes=1 << 10, blocks={1: 4})
    with pytest.raises(InputError, match="a recurrent layer of 1,000 units has no room on a GPU with 1 KiB"):
        choose_plan("lstm", backward=False, size=1000, lanes=20, limits=limits, precision="tf32")


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("lanes", [1, 20, 128])
@pytest.mark.parametrize("size", [1, 1150, 1500])
def test_all_thread_blocks_find_room_at_once(size, lanes, precision):
    limits = CellLimits(shared_bytes=227 << 10, blocks={1: 132, 2: 132, 4: 128, 8: 120})
    for cell in LAYERS:
        for backward in (False, True):
            plans = rank_plans(
                cell, backward=backward, size=size, lanes=lanes, limits=limits, precision=precision
            )
            for plan in plans:
                assert plan.blocks <= limits.blocks[plan.ranks]
                assert plan.blocks % plan.ranks == 0
                assert plan.shared_bytes <= limits.shared_bytes
                assert plan.groups * plan.units >= size
                assert plan.lane_groups * plan.lanes_at_once >= lanes
            assert plans


@pytest.mark.gpu
@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize(("size", "lanes", "steps"), [(7, 3, 5), (100, 20, 35), (650, 20, 35), (1150, 64, 9)])
def test_the_kernels_do_what_the_layers_do_on_a_gpu(cell, size, lanes, steps, precision, gpu):
    cells, tolerance = GpuCells(precision=precision), 5 * TOLERANCES[precision]
    for seed in (0, 1):
        plain = Plain(cell, size=size, lanes=lanes, steps=steps, seed=seed)
        found, right = run(cells, plain, cell, lambda array: gpu.asarray(to_float32(array)), gpu.to_numpy)
        for name, expected in right.items():
            np.testing.assert_allclose(
                found[name], expected, rtol=10 * tolerance, atol=tolerance, err_msg=name
            )


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
