"""The kernels compute what the plain models compute: on the CPU, through cuda_on_cpu.h, and on a GPU where there is one."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engines.cpu_compiler import COMPILER, needs_compiler
from engines.emulated_device import EmulatedDevice
from engines.specification import DeviceSpecification, make_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.engines.gpu import GpuLearner
from trainer.recipes import WordVectorSettings

TESTS = Path(__file__).parent.parent
KINDS = [
    {"model": "cbow", "dim": 16, "window": 3, "shared_negatives": 8, "context_gradient": 0.5},
    {"model": "cbow", "dim": 101, "window": 5, "shared_negatives": 16, "subsample": 0.05},
    {"model": "cbow", "dim": 7, "window": 12, "shared_negatives": 5, "negatives": 9},
    {"model": "cbow", "dim": 130, "window": 1, "shared_negatives": 1, "subsample": 0.05},
    {"model": "skipgram", "dim": 16, "window": 3, "shared_negatives": 8},
    {"model": "skipgram", "dim": 101, "window": 5, "subsample": 0.05},
    {"model": "skipgram", "dim": 7, "window": 12, "shared_negatives": 5, "negatives": 9},
    {"model": "skipgram", "dim": 130, "window": 1, "shared_negatives": 1, "subsample": 0.05},
    {"model": "cbow", "dim": 19, "window": 4, "shared_negatives": 6, "subwords": (1, 3), "buckets": 50},
    {"model": "skipgram", "dim": 19, "window": 4, "shared_negatives": 6, "subwords": (1, 3), "buckets": 50},
]


def compare(device, lines, seed, *, threads=None, **options):
    """One piece by one thread block, from random tables, against the plain models in float64."""
    corpus = make_corpus(lines, 12)
    learner = GpuLearner(
        corpus, WordVectorSettings(seed=seed, learning_rate=0.01, **options), device, blocks=1
    )
    rng = np.random.default_rng(seed)
    arrays, values = learner.state()
    arrays = {name: rng.normal(0, 0.5, table.shape).astype(np.float32) for name, table in arrays.items()}
    learner.restore(arrays, values)
    plain = DeviceSpecification(learner, corpus)
    learner.plan = replace(learner.plan, threads=threads or learner.plan.threads)
    learner.warm_up()
    worker = learner.workers[0]
    worker.damp(
        *(np.full(len(table), np.inf, np.float32) for table in arrays.values())
    )  # not even common rows
    measured = device.read(worker.launch(0, 1))
    assert plain.train(0) == pytest.approx(tuple(measured[0]), rel=1e-4, abs=1e-4)
    after, _ = learner.state()
    for name, expected in (("input", plain.inputs), ("output", plain.outputs)):
        assert np.abs(expected - arrays[name]).max() > 0 or not measured[0, 0]
        np.testing.assert_allclose(after[name], expected, rtol=2e-4, atol=5e-6)
    for table in learner.workers[0].tables.values():
        assert not device.read(table)[:, learner.settings.dim :].any()


def describe(options):
    return f"{options['model']}-{options['dim']}{'-subwords' if 'subwords' in options else ''}"


@needs_compiler
@pytest.mark.parametrize("options", KINDS, ids=describe)
@settings(
    max_examples=5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    lines=st.lists(st.lists(st.integers(-1, 11), min_size=1, max_size=60), min_size=1, max_size=30),
    seed=st.integers(0, 1000),
    order=st.integers(0, 2**31),
)
def test_a_piece_of_training_is_what_the_plain_models_compute(folder, options, lines, seed, order):
    compare(EmulatedDevice(folder, order=order), lines, seed, **options)


@needs_compiler
@pytest.mark.parametrize("options", [KINDS[1], KINDS[5]], ids=describe)
def test_a_thread_block_of_one_thread_computes_the_same(folder, options):
    """As bench/thread_blocks.py runs them."""
    rng = np.random.default_rng(4)
    lines = [rng.integers(-1, 12, size).tolist() for size in rng.integers(1, 400, 12)]
    compare(EmulatedDevice(folder, together=True), lines, 4, threads=1, **options)


def compare_halves(device, **options):
    """float16 tables end near those of the plain models: each number as near as many roundings are, and none drifts."""
    rng = np.random.default_rng(8)
    lines = [rng.integers(-1, 12, size).tolist() for size in rng.integers(1, 200, 12)]
    corpus = make_corpus(lines, 12)
    settings = WordVectorSettings(table_dtype="float16", learning_rate=0.001, subsample=0.0, **options)
    learner = GpuLearner(corpus, settings, device, blocks=1)
    arrays, values = learner.state()
    arrays = {name: rng.normal(0, 0.5, table.shape).astype(np.float16) for name, table in arrays.items()}
    learner.restore(arrays, values)
    plain = DeviceSpecification(learner, corpus)
    learner.warm_up()
    measured = device.read(learner.workers[0].launch(0, 1))
    assert plain.train(0) == pytest.approx(tuple(measured[0]), rel=1e-2)
    after, _ = learner.state()
    for name, expected in (("input", plain.inputs), ("output", plain.outputs)):
        way, off = expected - arrays[name], after[name] - expected
        # A table that was rounded to the nearest would have stayed behind: what is off would lean against the way.
        lean = (off * np.sign(way)).mean() / np.abs(way).mean()
        spread = np.sqrt((off**2).mean() / (way**2).mean())
        # Which way a number is rounded hangs on its address, so this differs from run to run, by about 0.01.
        assert abs(lean) < 0.055
        assert spread < 0.25


HALVES = [
    {"model": "cbow", "dim": 22, "window": 3, "shared_negatives": 8},
    {"model": "skipgram", "dim": 22, "window": 3, "shared_negatives": 8},
    {"model": "cbow", "dim": 22, "window": 3, "shared_negatives": 8, "subwords": (1, 3), "buckets": 50},
]


@needs_compiler
@pytest.mark.parametrize("options", HALVES, ids=describe)
def test_tables_of_halves_lose_no_small_change(folder, options):
    compare_halves(EmulatedDevice(folder, order=1), **options)


@pytest.mark.gpu
@pytest.mark.parametrize("options", HALVES, ids=describe)
def test_tables_of_halves_lose_no_small_change_on_a_gpu(gpu, options):
    from trainer.engines.cupy_device import CupyDevice

    compare_halves(CupyDevice(), **options)


@pytest.mark.gpu
@pytest.mark.parametrize("options", KINDS, ids=describe)
def test_a_gpu_computes_the_same(gpu, options):
    from trainer.engines.cupy_device import CupyDevice

    rng = np.random.default_rng(3)
    for seed in range(3):
        lines = [rng.integers(-1, 12, size).tolist() for size in rng.integers(1, 400, 12)]
        compare(CupyDevice(), lines, seed, **options)


@needs_compiler
def test_nothing_is_read_or_written_out_of_bounds(tmp_path):
    """In a process of its own, where the address sanitizer watches the tables, the text and the shared memory."""
    flags = ("-fsanitize=address", "-fno-omit-frame-pointer", "-g")
    probe = tmp_path / "probe.cpp"
    probe.write_text("int main() { return 0; }")
    made = subprocess.run(
        [COMPILER, *flags, probe, "-o", tmp_path / "probe"], check=False, capture_output=True
    )
    asked = subprocess.run(
        [COMPILER, "-print-file-name=libasan.so"], check=False, capture_output=True, text=True
    )
    library = Path(asked.stdout.strip())
    if made.returncode or not library.is_absolute():
        pytest.skip("this C++ compiler has no address sanitizer")
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
    }
    for cut, expected in ((0, "all\n"), (2, "")):
        arguments = [tmp_path, " ".join(flags), cut]
        command = [sys.executable, "-m", "engines.test_gpu_kernels", *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        assert done.stdout == expected, done.stderr[-3000:]
        assert ("AddressSanitizer: heap-buffer-overflow" in done.stderr) == bool(cut)


def run_all(folder, flags, cut):
    """Both models on a text whose lines are short and long; with `cut`, a table that is too short."""
    rng = np.random.default_rng(5)
    lines = [rng.integers(-1, 12, size).tolist() for size in (1, 2, 3, 40, 300, 1, 17)] + [[11, 0, 11]]
    for options in (*KINDS[1:8:4], KINDS[-1]):
        device = EmulatedDevice(Path(folder), flags=tuple(flags.split()))
        learner = GpuLearner(make_corpus(lines, 12), WordVectorSettings(**options), device, blocks=1)
        learner.warm_up()
        worker = learner.workers[0]
        if cut:
            worker.keep = worker.keep[:cut].copy()
        measured = device.read(worker.launch(0, 1))
        assert measured[0, 0] > 0
    print("all")


if __name__ == "__main__":
    run_all(sys.argv[1], sys.argv[2], int(sys.argv[3]))
