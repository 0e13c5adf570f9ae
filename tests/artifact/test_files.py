"""Locks, and hashes that are computed once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import artifact.files
from artifact.files import RememberedHashes, hash_file, locked


def test_a_hash_that_many_need_at_once_is_computed_once(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "weights"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    computed = []

    def hash_slowly(path):
        computed.append(path)
        time.sleep(0.05)
        return hash_file(path)

    monkeypatch.setattr(artifact.files, "hash_file", hash_slowly)
    with ThreadPoolExecutor(6) as pool:
        found = list(
            pool.map(lambda _: RememberedHashes(path.parent, cache=tmp_path / "cache").hash(path), range(6))
        )
    assert set(found) == {hash_file(path)}
    assert computed == [path]
    path.write_bytes(b"others!")
    assert RememberedHashes(path.parent, cache=tmp_path / "cache").hash(path) == hash_file(path)
    assert len(computed) == 2


def test_a_hash_that_was_told_is_remembered_for_those_bytes_alone(tmp_path, monkeypatch):
    path = tmp_path / "object"
    path.write_bytes(b"1")
    RememberedHashes(tmp_path, cache=tmp_path / "cache").remember(path, "told")
    assert RememberedHashes(tmp_path, cache=tmp_path / "cache").hash(path) == "told"
    path.write_bytes(b"22")
    assert RememberedHashes(tmp_path, cache=tmp_path / "cache").hash(path) == hash_file(path)


@pytest.mark.parametrize(("first", "second", "together"), [(1, 1, True), (1, 0, False), (0, 1, False)])
def test_shared_locks_keep_out_the_others_alone(tmp_path, first, second, together):
    entered = threading.Event()

    def enter():
        with locked(tmp_path / "locks" / "a", shared=bool(second)):
            entered.set()

    with locked(tmp_path / "locks" / "a", shared=bool(first)):
        thread = threading.Thread(target=enter)
        thread.start()
        assert entered.wait(20 if together else 0.05) == together
    thread.join()
    assert entered.is_set()
