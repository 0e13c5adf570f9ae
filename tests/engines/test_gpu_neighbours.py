"""Neighbours selected by the GPU's kernel are those of the search: on the CPU, through cuda_on_cpu.h, and on a GPU."""

import numpy as np
import pytest
from engines.cpu_compiler import needs_compiler
from engines.emulated_neighbours import EmulatedNeighbours
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifact.errors import InputError
from artifact.search import Search
from trainer.engines.gpu_neighbours import CAPACITIES, NeighbourPlan, select_neighbours

SMALL = NeighbourPlan(capacity=1_024, threads=64)  # so that few words make many tiles
SHAPES = [
    (20_001, 100, 100, np.float32),
    (9_000, 33, 10, np.float16),
    (3_000, 5, 1_000, np.float32),
    (7_000, 3, 2_500, np.float32),
    (60, 300, 59, np.float32),
]


def make_vectors(words, dim, *, seed=0, dtype=np.float32, rising=False):
    """Random rows, some of them alike, some of one direction, one of zeros; `rising`: later ones are nearer to each other."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(words, dim))
    if rising:
        vectors += np.linspace(0, 3, words)[:, np.newaxis]
    vectors[words // 2 : words // 2 + 9] = vectors[3]
    vectors[words // 3] = 4 * vectors[7]
    vectors[words // 4] = -vectors[7]
    vectors[5] = 0
    return vectors.astype(dtype)


def measure_norms(vectors):
    return np.linalg.norm(vectors.astype(np.float64), axis=1).astype(np.float32)


def select(device, vectors, count, *, plan=SMALL, progress=lambda _done, _of: None, **options):
    return select_neighbours(
        vectors, measure_norms(vectors), count, device, plan=plan, progress=progress, **options
    )


def compare(device, vectors, count, *, some, **options):
    """`some` rows against a search for them, which decides in float64 too."""
    told = []
    rows = np.unique([*np.linspace(0, len(vectors) - 1, some).astype(int), 3, 5, 7])
    if isinstance(device, EmulatedNeighbours):
        device.only = set(rows.tolist())
    found = select(device, vectors, count, progress=lambda *each: told.append(each), **options)
    ids, cosines = Search(vectors, measure_norms(vectors)).neighbours(rows, count)
    np.testing.assert_array_equal(found.ids[rows], ids)
    np.testing.assert_allclose(found.cosines[rows], cosines, atol=1.2e-7)
    assert found.crowded.tolist() == []
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (len(vectors), len(vectors))


@needs_compiler
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.integers(31, 1_600),
    dim=st.integers(2, 13),
    count=st.integers(1, 30),
    rising=st.booleans(),
    seed=st.integers(0, 1_000),
    order=st.integers(0, 2**31),
)
def test_what_is_selected_is_what_a_search_finds(folder, words, dim, count, rising, seed, order):
    vectors = make_vectors(words, dim, seed=seed, rising=rising)
    # Few rows are enough, and blocks of them that do not come out even.
    compare(EmulatedNeighbours(folder, order=order), vectors, count, some=8, most_scores=7 * words)


@needs_compiler
@pytest.mark.parametrize("order", [0, 7])
def test_rows_that_come_ever_nearer_are_pruned_again_and_again(folder, order):
    turns = np.linspace(0, 1.5, 3_001)
    vectors = np.stack([np.cos(turns), np.sin(turns), np.ones_like(turns)], axis=1).astype(np.float32)
    compare(EmulatedNeighbours(folder, order=order), vectors[::-1], 40, some=4)


@needs_compiler
def test_float16_vectors_are_widened(folder):
    compare(EmulatedNeighbours(folder), make_vectors(400, 9, dtype=np.float16), 10, some=10)


@needs_compiler
def test_every_row_is_there_when_the_device_holds_few(folder):
    vectors = make_vectors(150, 6)
    device = EmulatedNeighbours(folder)
    whole = select(device, vectors, 10)
    assert device.blocks == [150]
    for free in (60_000, 70_000, 80_000):
        device = EmulatedNeighbours(folder, free_bytes=free)
        found = select(device, vectors, 10)
        assert len(device.blocks) > 1
        assert sum(device.blocks) == 150
        np.testing.assert_array_equal(found.ids, whole.ids)
        np.testing.assert_array_equal(found.cosines, whole.cosines)


@needs_compiler
def test_rows_with_too_many_alike_are_named(folder):
    random = np.random.default_rng(1)
    vectors = random.normal(size=(1_400, 4)).astype(np.float32)
    vectors[100:900] = vectors[0]  # more than there is room for beside a tile
    device = EmulatedNeighbours(folder, only={0, 50, 99, 100, 500, 899, 900, 1_399})
    found = select(device, vectors, 5)
    assert found.crowded.tolist() == [0, 100, 500, 899]
    assert (found.ids[found.crowded] == -1).all()
    assert (found.ids[[50, 99, 900, 1_399]] >= 0).all()


def test_the_plan_leaves_room_for_candidates_and_a_tile():
    for count in (1, 50, 100, 1_024, 2_000, 5_000):
        plan = NeighbourPlan.choose(count, shared_bytes=227 << 10)
        assert plan.capacity - plan.tile >= 2 * count
    assert NeighbourPlan.choose(100, shared_bytes=48 << 10).capacity == min(CAPACITIES)
    for count, shared in ((5_000, 99 << 10), (100_000, 227 << 10)):
        with pytest.raises(InputError, match="--device cpu"):
            NeighbourPlan.choose(count, shared_bytes=shared)


def test_what_does_not_fit_into_the_device_is_refused():
    device = EmulatedNeighbours(None, free_bytes=10_000)
    with pytest.raises(InputError, match=r"300 vectors of 50 dimensions .* --device cpu"):
        select(device, make_vectors(300, 50), 10)


@pytest.mark.gpu
@pytest.mark.parametrize(("words", "dim", "count", "dtype"), SHAPES)
def test_a_gpu_selects_the_same(gpu, words, dim, count, dtype):
    from trainer.engines.cupy_neighbours import CupyNeighbours

    vectors = make_vectors(words, dim, dtype=dtype)
    compare(CupyNeighbours(), vectors, count, plan=None, some=300)
    compare(CupyNeighbours(), vectors, count, plan=None, some=300, most_scores=100 * words)
