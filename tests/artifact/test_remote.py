"""Stores at URLs: in memory everywhere, and on S3 as moto plays it where moto and s3fs are installed."""

import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest

from app.catalog import Catalog
from app.settings import Settings
from artifact.errors import (
    Corrupt,
    InputError,
    NotFound,
    StoreError,
    StoreUnreachable,
    StoreUnwritable,
)
from artifact.remote import RemoteStore, open_store
from artifact.store import Store
from tests.app.serving import TOKENS, VECTORS, Server, publish, publish_in

fsspec = pytest.importorskip("fsspec")
# botocore and moto have their own ways with dates and sockets.
pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def s3_endpoint():
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _host, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def url(request, monkeypatch):
    """Where an empty store may be made."""
    name = f"b{abs(hash(request.node.name)):x}"[:20]
    if request.param == "s3":
        endpoint = request.getfixturevalue("s3_endpoint")
        for variable, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(variable, value)
        fsspec.filesystem("s3").mkdir(name)
        return f"s3://{name}/models"
    fsspec.filesystem("memory").store.clear()
    return f"memory://{name}/models"


@pytest.fixture
def store(url, tmp_path):
    return RemoteStore(url, create=True, cache=tmp_path / "cache")


@pytest.fixture
def fetched(store, monkeypatch):
    """The files that were downloaded."""
    names = []
    real = store._files.get_file

    def get_file(source, target, **options):
        names.append(source.rpartition("/")[2])
        return real(source, target, **options)

    monkeypatch.setattr(store._files, "get_file", get_file)
    return names


def read(store, path):
    return store._files.cat_file(store._path(path))


def write(store, path, data):
    store._files.pipe_file(store._path(path), data)


def list_files(store):
    return sorted(store._find(""))


FILES = ["vocabulary.safetensors", "vocabulary.txt", "weights.safetensors"]


def test_what_is_published_is_listed_resolved_and_opened(store, url, tmp_path):
    first, second = publish_in(store, "words"), publish_in(store, "words", vectors=VECTORS * 2)
    other = publish_in(store, "other")
    assert store.names() == ["other", "words"]
    assert store.versions("words") == [first, second]
    assert store.latest("words") == second
    assert store.resolve("words") == ("words", second)
    assert store.marks() == {
        "other": (f"{other}\n".encode(), None),
        "words": (f"{second}\n".encode(), None),
    }
    assert list_files(store) == sorted(
        [
            *(f"words/{version}/{file}" for version in (first, second) for file in ["manifest.json", *FILES]),
            *(f"other/{other}/{file}" for file in ["manifest.json", *FILES]),
            "other/latest",
            "words/latest",
        ]
    )
    embedding = open_store(url, cache=tmp_path / "cache").open("words").embedding()
    assert embedding.version == second
    np.testing.assert_array_equal(embedding.vectors(["car"]), VECTORS[:1] * 2)
    assert store.open("words", first).embedding().vocabulary.tokens(range(3)) == TOKENS[:3]


def test_it_holds_the_bytes_that_a_folder_would(store, tmp_path):
    created = datetime(2026, 1, 1, tzinfo=UTC)
    local = Store(tmp_path / "local", create=True)
    version = publish_in(local, "words", created=created)
    assert publish_in(store, "words", created=created) == version
    for path in list_files(store):
        assert read(store, path) == (local.root / path).read_bytes(), path


def test_an_object_is_downloaded_once_whatever_version_it_is_of(store, fetched):
    first = publish_in(store, "words")
    publish_in(store, "words", recipe={"model": "skipgram"})
    store.open("words", first)
    assert sorted(fetched) == FILES
    store.open("words", first)
    store.open("words")
    assert sorted(fetched) == FILES
    artifact = store.open("words")
    assert artifact.file("weights").name == "weights.safetensors"
    assert artifact.file("weights").resolve().name == artifact.manifest.files["weights"].sha256


def test_many_that_open_at_once_download_once(store, fetched):
    publish_in(store, "words")
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: store.open("words").embedding(), range(8)))
    assert len(opened) == 8
    assert sorted(fetched) == FILES


def test_bytes_that_differ_are_refused_and_not_kept(store, tmp_path):
    version = publish_in(store, "words")
    path = f"words/{version}/weights.safetensors"
    whole = read(store, path)
    for broken in (bytes([*whole[:-1], whole[-1] ^ 1]), whole[:-1], whole + b"0"):
        write(store, path, broken)
        with pytest.raises(Corrupt, match=rf"words/{version}/weights\.safetensors: "):
            store.open("words")
    store._files.rm_file(store._path(path))
    with pytest.raises(Corrupt, match="it is not there"):
        store.open("words")
    assert not [
        kept for kept in (tmp_path / "cache" / "objects").rglob("*") if kept.stat().st_size == len(whole)
    ]
    write(store, path, whole)
    assert store.open("words").version == version
    data = read(store, f"words/{version}/manifest.json")
    write(store, f"words/{version}/manifest.json", data.replace(b"cbow", b"cbov"))
    with pytest.raises(Corrupt, match="digest"):
        store.open("words")


def test_an_object_that_went_bad_in_the_cache_is_fetched_again(store, fetched):
    publish_in(store, "words")
    path = store.open("words").file("weights").resolve()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    fetched.clear()
    np.testing.assert_array_equal(store.open("words").embedding().vectors(["car"]), VECTORS[:1])
    assert fetched == ["weights.safetensors"]


def test_verify_looks_at_the_store_and_not_at_the_cache(store):
    version = publish_in(store, "words")
    store.open("words")
    store.verify("words", version)
    path = f"words/{version}/vocabulary.txt"
    data = read(store, path)
    write(store, path, data.replace(b"car", b"cab"))
    store.open("words")
    with pytest.raises(Corrupt, match="sha256"):
        store.verify("words", version)


def test_of_two_that_publish_a_version_one_writes_its_manifest(store, monkeypatch):
    created = datetime(2026, 1, 1, tzinfo=UTC)
    version = publish_in(store, "words", created=created)
    manifest = f"words/{version}/manifest.json"
    # Publishers that looked before the other had written anything.
    real = store._files.exists
    looked = []

    def exists(path, **options):
        looked.append(path)
        return len(looked) > 1 and real(path, **options)

    monkeypatch.setattr(store._files, "exists", exists)
    assert publish_in(store, "words", created=created) == version
    assert looked[0].endswith(manifest)
    write(store, manifest, b"another\n")
    looked.clear()
    with pytest.raises(StoreError, match="published already, with another content"):
        publish_in(store, "words", created=created)
    assert read(store, manifest) == b"another\n"


def test_publishers_at_the_same_time(store, url, tmp_path):
    created = datetime(2026, 1, 1, tzinfo=UTC)
    barrier = threading.Barrier(6)

    def publish_one(number):
        mine = RemoteStore(url, create=True, cache=tmp_path / f"cache-{number}")
        barrier.wait()
        return publish_in(mine, "words", vectors=VECTORS * (1 + number % 2), created=created)

    with ThreadPoolExecutor(6) as pool:
        versions = list(pool.map(publish_one, range(6)))
    assert len(set(versions)) == 2
    assert set(store.versions("words")) == set(versions)
    assert store.latest("words") in versions
    for version in store.versions("words"):
        store.verify("words", version)


def test_a_broken_off_draft_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.draft("words") as draft:
        draft.add("card", "README.md", b"#\n")
        raise RuntimeError
    assert list_files(store) == []
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_an_upload_that_breaks_off_is_no_version(store, monkeypatch):
    first = publish_in(store, "words")
    real = store._files.put_file

    def put_file(source, target, **options):
        if target.endswith("weights.safetensors"):
            raise ConnectionError("reset by peer")
        return real(source, target, **options)

    with monkeypatch.context() as patch:
        patch.setattr(store._files, "put_file", put_file)
        with pytest.raises(StoreUnwritable, match="reset by peer"):
            publish_in(store, "words", vectors=VECTORS * 2)
    assert store.versions("words") == [first]
    assert store.latest("words") == first
    # It may still be under way, as far as pruning can know, until it is old.
    assert store.prune("words", keep=1) == []
    left = [path for path in list_files(store) if first not in path and path != "words/latest"]
    assert left
    monkeypatch.setattr("artifact.remote.LEFTOVER_AGE", timedelta(seconds=-10))
    assert store.prune("words", keep=1) == []
    assert not set(left) & set(list_files(store))


def test_prune_empties_the_cache_too(store, tmp_path):
    versions = [publish_in(store, "words", vectors=VECTORS * (1 + number)) for number in range(4)]
    other = RemoteStore(store.location + "/other", create=True, cache=tmp_path / "cache")
    publish_in(other, "words", vectors=VECTORS * 3)
    for each in (other, store):
        for version in each.versions("words"):
            each.open("words", version)
    store.pin("words", versions[0])
    held = store.open("words", versions[1]).embedding()
    assert store.prune("words", keep=1) == versions[1:3]
    assert store.versions("words") == [versions[0], versions[3]]
    assert not [path for path in list_files(store) if versions[1] in path]
    weights = {path.name for path in (tmp_path / "cache" / "objects").glob("*/*")}
    needed = [store.manifest("words", version) for version in store.versions("words")]
    needed.append(other.manifest("words", other.latest("words")))
    assert weights == {entry.sha256 for manifest in needed for entry in manifest.files.values()}
    np.testing.assert_array_equal(held.vectors(["car"]), VECTORS[:1] * 2)


def test_pins(store):
    first, second = publish_in(store, "words"), publish_in(store, "words", vectors=VECTORS * 2)
    assert store.pinned("words") is None
    store.pin("words", first)
    assert store.pinned("words") == first
    assert store.marks()["words"] == (f"{second}\n".encode(), f"{first}\n".encode())
    store.unpin("words")
    store.unpin("words")
    assert store.marks()["words"][1] is None
    with pytest.raises(NotFound, match="there is no version"):
        store.pin("words", "20200101T000000Z-00000000")


def test_what_is_not_there(url, tmp_path):
    with pytest.raises(NotFound, match=f"there is no store at {url}"):
        open_store(url, cache=tmp_path / "cache")
    store = open_store(url, create=True, cache=tmp_path / "cache")
    assert store.names() == []
    with pytest.raises(NotFound, match=f"there is no model words in {url}"):
        store.open("words")
    publish_in(store, "other")
    with pytest.raises(NotFound, match="there is no version"):
        store.open("other", "20200101T000000Z-00000000")


def test_a_catalog_follows_it_and_survives_its_absence(store, url, monkeypatch, tmp_path):
    first = publish_in(store, "words")
    catalog = Catalog(Settings(store=url, cache=str(tmp_path / "server")))
    catalog.refresh()
    second = publish_in(store, "words", vectors=VECTORS * 2)
    catalog.poll()
    assert catalog.find("embedding").version == second
    assert catalog.find("embedding", version=first).version == first
    catalog.pin("words", first)
    assert catalog.find("embedding").version == first

    def fail(*_, **__):
        raise ConnectionError("no route to host")

    with monkeypatch.context() as patch:
        for name in ("ls", "cat", "cat_file", "find", "exists"):
            patch.setattr(catalog._store._files, name, fail)
        catalog.poll()
        assert catalog.find("embedding").version == first
        assert catalog.versions("words") == [first]
        with pytest.raises(StoreUnreachable, match="no route to host"):
            catalog.reload("words")
    with monkeypatch.context() as patch:
        # The listing says that something changed, and nothing can be read of it.
        patch.setattr(catalog._store._files, "cat_file", fail)
        store.unpin("words")
        catalog.poll()
        assert catalog.find("embedding").version == first
        assert catalog.shelf.faults == ()
    store.pin("words", first)
    catalog.unpin("words")
    assert catalog.find("embedding").version == second


def test_folders_need_no_fsspec(tmp_path, monkeypatch):
    publish(tmp_path / "a store", "words")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    for location in (tmp_path / "a store", f"file://{tmp_path}/a store", f"local://{tmp_path}/a store"):
        store = open_store(location)
        assert type(store) is Store
        assert store.names() == ["words"]
    with pytest.raises(InputError, match=r"pip install 'wordkin\[remote\]'"):
        open_store("memory://x")


def test_urls_that_nothing_reads():
    with pytest.raises(InputError, match="there can be no store at nothing://x: "):
        open_store("nothing://x")


# Another process has another memory.
@pytest.mark.parametrize("url", ["s3"], indirect=True)
def test_workers_of_a_server_serve_from_it(store, url, tmp_path):
    first = publish_in(store, "words")
    options = ["--workers", "2", "--poll-seconds", "1", "--cache", tmp_path / "server"]
    with Server("--store", url, *options) as server:
        try:
            server.wait()
            second = publish_in(store, "words", vectors=VECTORS * 2)
            versions = set()
            deadline = time.monotonic() + 60
            while versions != {second} and time.monotonic() < deadline:
                answers = [
                    httpx.get(f"http://127.0.0.1:{server.port}/vectors/car", timeout=30).json()
                    for _ in range(8)
                ]
                for answer in answers:
                    factor = 1 if answer["version"] == first else 2
                    assert answer["results"][0]["vector"] == (VECTORS[0] * factor).tolist()
                versions = {answer["version"] for answer in answers}
            assert versions == {second}
        finally:
            server.stop(signal.SIGTERM)
