import threading
from functools import partial

import pytest

from app.jobs import Job
from artifact.pieces import ALONE, Piece


def never():
    return False


def make_chain(ran, length=4):
    """Two chains side by side, listed in turn; each piece notes its name and its thread."""
    pieces = []
    last = {"a": (), "b": ()}
    for number in range(length):
        for chain in "ab":
            piece = Piece(
                partial(lambda name: ran.append((name, threading.get_ident())), f"{chain}{number}"),
                last[chain],
            )
            last[chain] = (piece,)
            pieces.append(piece)
    return pieces


def check_order(names):
    assert sorted(names) == sorted(f"{chain}{number}" for chain in "ab" for number in range(4))
    for chain in "ab":
        assert [name for name in names if name[0] == chain] == [f"{chain}{number}" for number in range(4)]


def test_a_job_without_help_runs_every_piece_as_listed():
    for perform in (ALONE.perform, lambda pieces: Job(pieces).finish()):
        ran = []
        perform(make_chain(ran))
        assert [name for name, _ in ran] == ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3"]
        assert {thread for _, thread in ran} == {threading.get_ident()}


def test_pieces_run_side_by_side_and_after_those_they_need():
    for _ in range(50):
        ran, met = [], threading.Barrier(2)
        # Neither of these two can end before the other has begun: two threads must be at it.
        together = [Piece(partial(met.wait, 20)) for _ in range(2)]
        job = Job([*together, *make_chain(ran)])
        helper = threading.Thread(target=partial(job.help, is_wanted=never))
        helper.start()
        job.finish()
        helper.join(20)
        assert not helper.is_alive()
        check_order([name for name, _ in ran])


def test_what_a_helper_raises_reaches_whose_job_it_is_and_nothing_more_is_begun():
    ran, met = [], threading.Barrier(2)
    owner = threading.get_ident()

    def fail_elsewhere():
        met.wait(20)
        if threading.get_ident() != owner:
            raise ValueError("no")

    first = [Piece(fail_elsewhere) for _ in range(2)]
    job = Job([*first, Piece(partial(ran.append, 1), tuple(first))])
    helper = threading.Thread(target=partial(job.help, is_wanted=never))
    helper.start()
    with pytest.raises(ValueError, match="no"):
        job.finish()
    helper.join(20)
    assert not helper.is_alive()
    assert not ran


def test_a_helper_that_is_wanted_elsewhere_leaves_the_rest():
    ran = []
    job = Job(make_chain(ran))
    job.help(is_wanted=lambda: len(ran) >= 3)
    assert len(ran) == 3
    job.finish()
    assert len(ran) == 8


def test_an_empty_job_is_finished():
    Job([]).finish()
    Job([]).help(is_wanted=never)
