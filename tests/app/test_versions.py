"""New versions, pins and what is let go of: the catalog while the store changes under it."""

import gc
import shutil
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

from app.errors import ProblemError
from app.watcher import Watcher
from artifact.embedding import Embedding
from artifact.language import LanguageModel
from artifact.network import Network
from artifact.store import Store
from tests.app.serving import VECTORS, damage, publish


@pytest.fixture
def opened(monkeypatch):
    """The versions that were opened, in order."""
    versions = []
    real_open = Store.open
    monkeypatch.setattr(
        Store, "open", lambda self, name, version: versions.append(version) or real_open(self, name, version)
    )
    return versions


def publish_times(root, factor, name="sample"):
    """A version whose vectors are ``factor`` times the usual ones."""
    return publish(root, name, vectors=VECTORS * np.float32(factor), license=str(factor))


def list_mapped_folders(root):
    """The folders under ``root`` of which this process has a file mapped."""
    paths = [Path(line.split()[-1]) for line in Path("/proc/self/maps").read_text().splitlines()]
    return {path.parent for path in paths if path.is_relative_to(root)}


def test_the_poll_swaps_in_what_latest_names(root, open_catalog):
    first = publish_times(root, 1)
    catalog = open_catalog()
    catalog.poll()
    assert catalog.shelf.served["sample"].version == first
    second = publish_times(root, 2)
    assert catalog.shelf.served["sample"].version == first
    catalog.poll()
    assert catalog.shelf.served["sample"].version == second
    # Back to the older one by hand.
    (root / "sample" / "latest").write_text(f"{first}\n")
    catalog.poll()
    assert catalog.shelf.served["sample"].version == first


def test_a_poll_that_finds_nothing_opens_nothing_and_lists_nothing(root, open_catalog, monkeypatch):
    publish_times(root, 1)
    publish(root, "story", kind="language-model")
    catalog = open_catalog()

    def fail(*_):
        raise AssertionError("a quiet poll must not do this")

    for name in ("open", "versions", "manifest", "resolve"):
        monkeypatch.setattr(Store, name, fail)
    shelf = catalog.shelf
    for _ in range(3):
        catalog.poll()
    assert catalog.shelf is shelf


def test_the_poll_notices_models_that_come_and_go(root, open_catalog):
    publish_times(root, 1)
    catalog = open_catalog()
    (root / "other" / ".draft-1").mkdir(parents=True)
    catalog.poll()
    assert list(catalog.shelf.served) == ["sample"]
    assert catalog.shelf.faults == ()
    version = publish_times(root, 1, "other")
    catalog.poll()
    assert {name: served.version for name, served in catalog.shelf.served.items()}["other"] == version
    shutil.rmtree(root / "sample")
    catalog.poll()
    assert list(catalog.shelf.served) == ["other"]
    assert catalog.reloads["sample", "removed"] == 1


def test_a_store_that_cannot_be_read_leaves_everything_serving(root, open_catalog, caplog):
    version = publish_times(root, 1)
    catalog = open_catalog()
    root.rename(root.with_name("away"))
    catalog.poll()
    catalog.poll()
    assert catalog.find("embedding").version == version
    assert [record.message for record in caplog.records] == [
        f"looking for new versions: the store at {root} is not there any more"
    ]
    root.with_name("away").rename(root)
    second = publish_times(root, 2)
    catalog.poll()
    assert catalog.find("embedding").version == second


def test_a_broken_new_version_leaves_the_old_one_and_is_tried_again_later(
    root, open_catalog, opened, monkeypatch
):
    first = publish_times(root, 1)
    catalog = open_catalog()
    second = publish_times(root, 2)
    weights = root / "sample" / second / "weights.safetensors"
    whole = weights.read_bytes()
    damage(root, "sample", second)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    opened.clear()
    catalog.poll()
    assert catalog.find("embedding").version == first
    assert [(fault.version, fault.reason) for fault in catalog.shelf.faults] == [(second, "corrupt")]
    for _ in range(3):
        catalog.poll()
    assert opened == [second]
    now += 31
    catalog.poll()
    catalog.poll()
    assert opened == [second] * 2
    now += 31
    catalog.poll()
    assert opened == [second] * 2, "the second wait is longer"
    now += 30
    weights.write_bytes(whole)
    catalog.poll()
    assert opened == [second] * 3
    assert catalog.find("embedding").version == second
    assert catalog.shelf.faults == ()
    now += 100_000
    catalog.poll()
    assert opened == [second] * 3
    assert catalog.reloads == {("sample", "swapped"): 2, ("sample", "failed"): 2}


def test_a_version_that_cannot_be_asked_is_not_swapped_in(root, open_catalog, monkeypatch):
    first = publish_times(root, 1)
    catalog = open_catalog()
    publish_times(root, 2)

    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("artifact.embedding.Embedding.similar", fail)
    catalog.poll()
    assert catalog.find("embedding").version == first
    assert [fault.reason for fault in catalog.shelf.faults] == ["unreadable"]


@pytest.mark.parametrize(
    ("kind", "model", "name"),
    [("embedding", Embedding, "similar"), ("language-model", LanguageModel, "predict")],
)
def test_a_version_is_warm_before_it_answers(root, open_catalog, monkeypatch, kind, model, name):
    publish(root, "sample", kind=kind)
    catalog = open_catalog()
    before = catalog.shelf
    asked = []
    real = getattr(model, name)

    def ask(self, *arguments, **options):
        asked.append(catalog.shelf is before)
        return real(self, *arguments, **options)

    monkeypatch.setattr(model, name, ask)
    publish(root, "sample", kind=kind)
    catalog.poll()
    assert asked == [True]
    assert catalog.shelf is not before


@pytest.fixture
def prepared(monkeypatch):
    """The networks that were prepared, in order."""
    networks = []
    real_prepare = Network.prepare
    monkeypatch.setattr(Network, "prepare", lambda self: networks.append(self) or real_prepare(self))
    return networks


def find_network(catalog, name):
    return catalog.get(name).language_model.network


@pytest.mark.parametrize(
    ("names", "options", "expected"),
    [
        (["a"], {}, ["a"]),
        (["a", "b"], {}, []),
        (["a", "b"], {"default_language_model": "b"}, ["b"]),
    ],
)
def test_only_the_language_model_that_answers_unnamed_is_prepared(
    root, open_client, prepared, names, options, expected
):
    publish(root, "vectors")
    for name in names:
        publish(root, name, kind="language-model")
    catalog = open_client(**options).app.state.catalog
    assert prepared == [find_network(catalog, name) for name in expected]


def test_a_catalog_that_answers_nobody_prepares_nothing(root, open_catalog, prepared):
    publish(root, "story", kind="language-model")
    catalog = open_catalog()
    publish(root, "story", kind="language-model")
    catalog.poll()
    assert prepared == []


def test_a_new_version_is_prepared_before_it_answers(root, open_client, prepared, monkeypatch):
    for name in "ab":
        publish(root, name, kind="language-model")
    catalog = open_client(default_language_model="b", poll_seconds=0).app.state.catalog
    before = catalog.shelf
    real_prepare = Network.prepare
    shelves = []
    monkeypatch.setattr(Network, "prepare", lambda self: shelves.append(catalog.shelf) or real_prepare(self))
    for name in "ab":
        publish(root, name, kind="language-model")
    catalog.poll()
    assert find_network(catalog, "b") is prepared[-1]
    assert len(prepared) == 2
    assert shelves[0].served["b"] is before.served["b"]
    assert catalog.shelf.served["b"] is not before.served["b"]


def test_the_first_language_model_is_prepared_when_it_comes(root, open_client, prepared):
    publish(root, "vectors")
    catalog = open_client(poll_seconds=0).app.state.catalog
    for name in "ab":
        publish(root, name, kind="language-model")
        catalog.poll()
    assert prepared == [find_network(catalog, "a")]


def test_reload_says_what_became_of_it(root, open_catalog):
    first = publish_times(root, 1)
    catalog = open_catalog()
    told = []
    catalog.observe_reloads = told.append
    assert catalog.reload("sample").result == "unchanged"
    second = publish_times(root, 2)
    swapped = catalog.reload("sample")
    assert (swapped.result, swapped.before, swapped.version) == ("swapped", first, second)
    assert swapped.seconds > 0
    damage(root, "sample", publish_times(root, 3))
    failed = catalog.reload("sample")
    assert (failed.result, failed.before, failed.version) == ("failed", second, second)
    assert [reload.result for reload in told] == ["unchanged", "swapped", "failed"]
    assert catalog.reloads == {
        ("sample", "swapped"): 2,
        ("sample", "unchanged"): 1,
        ("sample", "failed"): 1,
    }
    with pytest.raises(ProblemError) as caught:
        catalog.reload("nothing")
    assert caught.value.status_code == 404


def test_a_pin_holds_over_new_versions_restarts_and_other_servers(root, open_catalog):
    first, second = publish_times(root, 1), publish_times(root, 2)
    catalog, other = open_catalog(), open_catalog()
    reload = catalog.pin("sample", first)
    assert (reload.result, reload.before, reload.version) == ("swapped", second, first)
    third = publish_times(root, 3)
    catalog.poll()
    assert catalog.find("embedding").version == first
    assert catalog.shelf.pins == {"sample": first}
    other.poll()
    assert other.find("embedding").version == first
    assert open_catalog().find("embedding").version == first
    assert catalog.find("embedding", version=third).version == third

    assert other.unpin("sample").version == third
    catalog.poll()
    assert catalog.find("embedding").version == third
    assert catalog.shelf.pins == {}
    assert catalog.unpin("sample").result == "unchanged"


def test_only_a_good_version_can_be_pinned(root, open_catalog):
    first, second = publish_times(root, 1), publish_times(root, 2)
    damage(root, "sample", first)
    catalog = open_catalog()
    for model, version, status in [
        ("sample", first, 503),
        ("sample", "20200101T000000Z-00000000", 404),
        ("nothing", first, 404),
    ]:
        with pytest.raises(ProblemError) as caught:
            catalog.pin(model, version)
        assert caught.value.status_code == status
    with pytest.raises(ProblemError):
        catalog.unpin("nothing")
    assert not (root / "sample" / "pinned").exists()
    assert catalog.find("embedding").version == second


def test_a_pin_to_what_is_broken_or_no_version_is_a_fault_and_something_serves(root, open_catalog):
    first, second = publish_times(root, 1), publish_times(root, 2)
    Store(root).pin("sample", first)
    damage(root, "sample", first)
    catalog = open_catalog()
    assert catalog.find("embedding").version == second
    assert [(fault.version, fault.reason) for fault in catalog.shelf.faults] == [(first, "corrupt")]
    (root / "sample" / "pinned").write_text("../../etc/passwd\n")
    catalog.poll()
    assert catalog.find("embedding").version == second
    assert [(fault.version, fault.reason) for fault in catalog.shelf.faults] == [(None, "corrupt")]


def test_what_was_served_is_unmapped_when_its_last_request_is_done(root, open_catalog):
    first = publish_times(root, 1)
    catalog = open_catalog()
    held = catalog.find("embedding")
    model = weakref.ref(held.embedding)
    for factor in range(2, 10):
        version = publish_times(root, factor)
        catalog.poll()
    folders = list_mapped_folders(root)
    assert folders == {root / "sample" / each for each in (first, version)}
    # The files may go: what is mapped stays readable.
    Store(root).prune("sample", keep=1)
    np.testing.assert_array_equal(held.embedding.vectors(["car"]), VECTORS[:1])
    del held
    gc.collect()
    assert model() is None
    folders = list_mapped_folders(root)
    assert folders == {root / "sample" / version}


def test_prune_keeps_what_is_pinned(root, open_catalog):
    versions = [publish_times(root, factor) for factor in range(1, 5)]
    store = Store(root)
    store.pin("sample", versions[1])
    assert store.prune("sample", keep=1) == [versions[0], versions[2]]
    assert store.versions("sample") == [versions[1], versions[3]]


def test_the_watcher_polls_until_it_is_left(root, open_catalog):
    publish_times(root, 1)
    catalog = open_catalog()
    with Watcher(catalog, poll_seconds=0.01):
        version = publish_times(root, 2)
        deadline = time.monotonic() + 20
        while catalog.find("embedding").version != version and time.monotonic() < deadline:
            time.sleep(0.01)
        assert catalog.find("embedding").version == version
    assert not [thread for thread in threading.enumerate() if thread.name == "store-watcher"]
    with Watcher(catalog, poll_seconds=0):
        assert not [thread for thread in threading.enumerate() if thread.name == "store-watcher"]


def test_the_watcher_survives_what_nobody_foresaw(root, open_catalog, monkeypatch, caplog):
    publish_times(root, 1)
    catalog = open_catalog()
    polled = threading.Semaphore(0)

    def fail():
        polled.release()
        raise ZeroDivisionError

    monkeypatch.setattr(catalog, "poll", fail)
    with Watcher(catalog, poll_seconds=0.001):
        assert all(polled.acquire(timeout=20) for _ in range(3))
    assert "looking for new versions failed" in caplog.text
