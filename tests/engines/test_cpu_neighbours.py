"""Neighbours computed by blocks on cores are those of the search."""

import numpy as np
import pytest
from engines.test_gpu_neighbours import make_vectors, measure_norms
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.search import Search
from trainer.engines import cpu_neighbours
from trainer.engines.cpu_neighbours import BLOCK, _Search, select_neighbours
from trainer.engines.neighbour_kernels import ANY_SCORE, find_nth


def select(vectors, count, *, threads=1, progress=lambda _done, _of: None):
    return select_neighbours(vectors, measure_norms(vectors), count, progress=progress, threads=threads)


def compare(vectors, count, **options):
    found = select(vectors, count, **options)
    ids, cosines = Search(vectors, measure_norms(vectors)).neighbours(np.arange(len(vectors)), count)
    selected = np.setdiff1d(np.arange(len(vectors)), found.crowded)
    np.testing.assert_array_equal(found.ids[selected], ids[selected])
    np.testing.assert_allclose(found.cosines[selected], cosines[selected], atol=1.2e-7)
    return found


@settings(max_examples=25)
@given(
    words=st.integers(31, 1_400),
    dim=st.integers(1, 13),
    count=st.integers(1, 30),
    rising=st.booleans(),
    seed=st.integers(0, 1_000),
    threads=st.sampled_from([1, 3]),
)
def test_what_is_selected_is_what_a_search_finds(words, dim, count, rising, seed, threads):
    found = compare(make_vectors(words, dim, seed=seed, rising=rising), count, threads=threads)
    assert dim < 4 or not len(found.crowded)  # in few dimensions many are alike


@pytest.mark.parametrize("words", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 31, 2 * BLOCK + 33])
def test_blocks_at_the_edge_are_whole(words):
    assert not len(compare(make_vectors(words, 24), 40, threads=2).crowded)


def test_thresholds_that_were_guessed_lose_nothing(monkeypatch):
    monkeypatch.setattr(cpu_neighbours, "_SAMPLE", 128)
    vectors = make_vectors(3_000, 20)
    for kind in (vectors, np.sort(vectors, axis=0)):  # the nearest of sorted ones lie beside each other
        assert not len(compare(kind, 10, threads=2).crowded)
    search = _Search(vectors, measure_norms(vectors), 10)
    sample, nth = search.choose_sample()
    search.guess(0, sample, nth)
    assert np.isinf(search.thresholds[5])
    guessed = np.delete(search.thresholds[:BLOCK], 5)
    assert guessed.min() > 0
    assert (search.thresholds[BLOCK:] == ANY_SCORE).all()


def test_rows_that_a_guess_leaves_with_too_few_are_named(monkeypatch):
    monkeypatch.setattr(cpu_neighbours, "_SAMPLE", 128)
    monkeypatch.setattr(_Search, "choose_sample", lambda search: (search.units[:64], 1))  # each finds itself
    found = compare(make_vectors(1_200, 20), 10)
    assert set(range(64)) - {5} <= set(found.crowded.tolist())
    assert len(found.crowded) < 1_200


def test_many_are_wanted():
    compare(make_vectors(1_100, 10), 1_099)
    compare(make_vectors(700, 10), 500)


def test_float16_vectors_are_widened():
    compare(make_vectors(900, 9, dtype=np.float16), 10)


def test_rows_with_too_many_alike_are_named():
    random = np.random.default_rng(1)
    vectors = random.normal(size=(1_400, 4)).astype(np.float32)
    vectors[100:900] = vectors[0]
    found = compare(vectors, 5)
    assert {0, *range(100, 900)} <= set(found.crowded.tolist())
    assert len(found.crowded) < 1_000
    assert (found.ids[found.crowded] == -1).all()


def test_progress_ends_when_all_is_done():
    told = []
    select(make_vectors(1_700, 8), 5, threads=3, progress=lambda *each: told.append(each))
    assert told[0] == (0, 1_700)
    assert told[-1] == (1_700, 1_700)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert all(done < 1_700 for done, _ in told[:-1])


def test_whoever_interrupts_does_not_wait_for_the_rest():
    class Enough(Exception):
        pass

    def interrupt(done, _of):
        if done:
            raise Enough

    with pytest.raises(Enough):
        select(make_vectors(9_000, 8), 5, threads=2, progress=interrupt)


@given(
    values=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60),
    data=st.data(),
)
def test_the_nth_largest_is_found(values, data):
    nth = data.draw(st.integers(1, len(values)))
    array = np.array([*values, 7], np.float32)
    assert find_nth(array, len(values), nth) == sorted(values, reverse=True)[nth - 1]
