import errno
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import artifact.files
from artifact.canonical import encode_json
from artifact.draft import write_embedding
from artifact.errors import (
    ArtifactError,
    Corrupt,
    InputError,
    NameRefused,
    NotFound,
    StoreError,
    StoreUnwritable,
    Unsupported,
)
from artifact.manifest import parse_manifest, seal_manifest
from artifact.store import Store
from artifact.tokenizer import Tokenizer

TOKENS = ["the", "car", "truck", "naïve", "서울"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDKIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", create=True)


def publish(store, name="words", *, seed=0, dtype="float32", **fields):
    rng = np.random.default_rng(seed)
    with store.draft(name) as draft:
        write_embedding(
            draft,
            tokens=TOKENS,
            counts=np.arange(5, 0, -1, dtype=np.int64),
            vectors=rng.normal(size=(5, 4)).astype(np.float32),
            dtype=dtype,
        )
        draft.add("card", "README.md", b"# words\n")
        return draft.publish(
            kind="embedding",
            tokenizer=Tokenizer("words"),
            recipe={"dim": 4},
            metrics={"loss": 1.5, "seed": seed},
            **fields,
        )


def reseal(store, version, change, name="words"):
    """Publish, as an attacker would, a manifest changed by ``change`` and sealed anew."""
    folder = store.root / name / version
    fields = json.loads((folder / "manifest.json").read_bytes())
    change(fields)
    from datetime import datetime

    created = datetime.strptime(fields["created"], "%Y%m%dT%H%M%S%z")
    body = {
        key: value
        for key, value in fields.items()
        if key not in {"digest", "version", "created", "format_version"}
    }
    new, data = seal_manifest(body, created=created)
    (folder / "manifest.json").write_bytes(data)
    folder.rename(store.root / name / new)
    (store.root / name / "latest").write_text(new + "\n")
    return new


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_published_is_opened(store, dtype):
    version = publish(store, dtype=dtype, license="MIT", provenance="a test")
    opened = store.open("words")
    assert (opened.name, opened.version, opened.manifest.license) == ("words", version, "MIT")
    assert opened.file("card").read_bytes() == b"# words\n"
    model = opened.embedding()
    assert list(model.vocabulary) == TOKENS
    assert model.vocabulary.counts.tolist() == [5, 4, 3, 2, 1]
    assert model.vectors(["car"]).shape == (1, 4)
    assert opened.manifest.tensors["vectors"].dtype == dtype
    assert model.similar(["서울"], top=10)[0].word in TOKENS
    store.verify("words", version)
    files = sorted(path.name for path in opened.path.iterdir())
    assert files == [
        "README.md",
        "manifest.json",
        "vocabulary.safetensors",
        "vocabulary.txt",
        "weights.safetensors",
    ]
    assert (store.root / "words" / "latest").read_text() == version + "\n"
    assert (opened.path / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1] == TOKENS


def test_the_vocabulary_index_is_optional(store):
    publish(store)
    version = reseal(store, store.latest("words"), lambda fields: fields["files"].pop("vocabulary-index"))
    assert store.open("words", version).embedding().token_id("truck") == 2
    store.verify("words", version)


def test_unknown_optional_roles_are_ignored_and_unknown_requirements_refused(store):
    with store.draft("words") as draft:
        write_embedding(
            draft, tokens=["a", "b"], counts=np.ones(2, dtype=np.int64), vectors=np.eye(2, dtype=np.float32)
        )
        draft.add("map", "map.bin", b"123")
        draft.publish(kind="embedding", tokenizer=Tokenizer("words"), recipe={}, metrics={})
    assert store.open("words").embedding().token_id("b") == 1
    with pytest.raises(Unsupported, match="telepathy"):
        publish(store, requires={"telepathy": 2})


def test_names_that_could_leave_the_store_are_refused(store, tmp_path):
    publish(store)
    for name in [
        "../words",
        "..",
        ".",
        "",
        "a/b",
        "a\\b",
        ".hidden",
        "x" * 65,
        "a\n",
        "é",
        "a\0b",
        "words/../words",
    ]:
        for ask in (store.versions, store.latest, store.draft, store.open, store.resolve):
            with pytest.raises(NameRefused):
                ask(name)
        with pytest.raises(NameRefused):
            store.open("words", name)
        with pytest.raises(NameRefused), store.draft("words") as draft:
            draft.add("x", name)
    assert {path.name for path in tmp_path.iterdir()} <= {"cache", "store"}


def test_versions_names_latest_and_resolve(store):
    first, second = publish(store, seed=1), publish(store, seed=2)
    publish(store, "other")
    assert store.names() == ["other", "words"]
    assert store.versions("words") == [first, second]
    assert [publish(store, "many", seed=seed) for seed in range(8)] == store.versions("many")
    assert store.resolve("words") == ("words", second)
    assert store.resolve(f"words@{first}") == ("words", first)
    (store.root / "words" / "latest").write_text(first + "\n")
    assert store.open("words").version == first
    with pytest.raises(NotFound, match="there are"):
        store.resolve("words@20200101T000000Z-00000000")
    for missing in ["nothing", "nothing@x"]:
        with pytest.raises(NotFound):
            store.resolve(missing)
    (store.root / "words" / "latest").write_text("../../etc\n")
    with pytest.raises(Corrupt, match="latest"):
        store.open("words")


def test_a_version_without_a_manifest_does_not_exist(store):
    version = publish(store)
    (store.root / "words" / version / "manifest.json").unlink()
    assert store.versions("words") == []
    assert store.names() == []
    with pytest.raises(NotFound):
        store.open("words")


def test_no_store_is_a_clear_error(tmp_path):
    with pytest.raises(NotFound, match="nowhere"):
        Store(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnwritable):
        Store(tmp_path / "file" / "store", create=True)


def test_prune_keeps_the_newest_and_the_latest(store):
    published = []
    for seed in range(4):
        version = publish(store, seed=seed)
        stamped = f"2020010{seed + 1}T000000Z"
        folder = store.root / "words" / version
        fields = json.loads((folder / "manifest.json").read_bytes())
        body = {
            key: value
            for key, value in fields.items()
            if key not in {"digest", "version", "created", "format_version"}
        }
        from datetime import UTC, datetime

        new, data = seal_manifest(body, created=datetime(2020, 1, seed + 1, tzinfo=UTC))
        assert new.startswith(stamped)
        (folder / "manifest.json").write_bytes(data)
        folder.rename(store.root / "words" / new)
        published.append(new)
    (store.root / "words" / "latest").write_text(published[0] + "\n")
    (store.root / "words" / ".draft-left").mkdir()
    assert store.prune("words", keep=2) == [published[1]]
    assert store.versions("words") == [published[0], *published[2:]]
    assert not (store.root / "words" / ".draft-left").exists()
    assert store.prune("words", keep=0) == published[2:]
    assert store.versions("words") == [published[0]]
    assert store.open("words").version == published[0]


def test_an_error_while_drafting_leaves_nothing(store):
    with pytest.raises(RuntimeError, match="broken off"), store.draft("words") as draft:
        draft.add("card", "README.md", b"x")
        raise RuntimeError("broken off")
    assert list((store.root / "words").iterdir()) == []


@pytest.mark.parametrize("role", ["weights", "vocabulary"])
def test_a_draft_refuses_what_is_there_already(store, role):
    with pytest.raises(InputError), store.draft("words") as draft:
        draft.add(role, "a.bin", b"")
        draft.add(role, "b.bin", b"")


def test_a_full_disk_leaves_what_was_published_and_one_clear_error(store, monkeypatch):
    version = publish(store)

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for seed, name in enumerate(
        ["write_tensors", "write_file", "replace_file", "encode_tokens", "sync_folder"], 1
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"artifact.draft.{name}", full)
            with pytest.raises(StoreUnwritable, match="No space left"):
                publish(store, seed=seed)
        assert not list((store.root / "words").glob(".*"))
        (store.root / "words" / "latest").write_text(version + "\n")
        assert store.open("words", version).version == version


def test_a_real_file_size_limit_leaves_nothing_half_written(store):
    version = publish(store)
    code = (
        "import resource, signal, sys, numpy as np\n"
        "from artifact.store import Store; from artifact.draft import write_embedding; from artifact.tokenizer import Tokenizer\n"
        "from artifact.errors import StoreUnwritable\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "n = 1000\n"
        "try:\n"
        "    with Store(sys.argv[1]).draft('words') as draft:\n"
        "        write_embedding(draft, tokens=[f'w{i}' for i in range(n)], counts=np.ones(n, dtype=np.int64),"
        " vectors=np.ones((n, 50), dtype=np.float32))\n"
        "        draft.publish(kind='embedding', tokenizer=Tokenizer('words'), recipe={}, metrics={})\n"
        "except StoreUnwritable as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.root)], capture_output=True, text=True, check=True
    )
    assert "cannot write to the store" in done.stdout
    assert sorted(path.name for path in (store.root / "words").iterdir()) == sorted([version, "latest"])
    assert store.open("words").version == version


def test_vectors_that_cannot_be_stored_are_refused(store):
    counts = np.ones(2, dtype=np.int64)
    for vectors, dtype in [
        (np.array([[1.0], [np.nan]]), "float32"),
        (np.array([[1.0], [1e6]]), "float16"),
        (np.ones((3, 1)), "float32"),
        (np.ones(2), "float32"),
    ]:
        with pytest.raises(InputError), store.draft("words") as draft:
            write_embedding(draft, tokens=["a", "b"], counts=counts, vectors=vectors, dtype=dtype)
    with pytest.raises(InputError, match="b"), store.draft("words") as draft:
        write_embedding(draft, tokens=["a", "b"], counts=counts, vectors=np.array([[1.0], [np.inf]]))


def test_every_flipped_bit_and_every_truncation_is_refused(store):
    version = publish(store)
    folder = store.root / "words" / version
    rng = np.random.default_rng(0)
    for path in folder.iterdir():
        good = path.read_bytes()
        for position in rng.integers(0, len(good), size=60).tolist():
            bad = bytearray(good)
            bad[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(bad)
            with pytest.raises((ArtifactError, NotFound)):
                store.open("words")
        for length in range(0, len(good), max(1, len(good) // 60)):
            path.write_bytes(good[:length])
            with pytest.raises((ArtifactError, NotFound)):
                store.open("words")
        path.write_bytes(good)
        assert store.open("words").version == version
    (folder / "vocabulary.txt").unlink()
    with pytest.raises(Corrupt, match=r"vocabulary\.txt"):
        store.open("words")


def test_a_manifest_that_lies_about_its_files_is_refused_though_sealed(store):
    def other_shape(fields):
        fields["tensors"]["vectors"]["shape"] = [4, 5]

    def other_dtype(fields):
        fields["tensors"]["vectors"]["dtype"] = "float16"

    def no_vocabulary(fields):
        fields["files"].pop("vocabulary")

    def no_weights(fields):
        fields["files"].pop("weights")

    def swapped(fields):
        files = fields["files"]
        files["vocabulary"], files["card"] = files["card"], files["vocabulary"]

    def other_kind(fields):
        fields["kind"] = "language-model"

    def other_tokenizer(fields):
        fields["tokenizer"] = {"name": "telepathy", "version": 1}

    for change in (other_shape, other_dtype, no_vocabulary, no_weights, swapped, other_kind, other_tokenizer):
        version = reseal(store, publish(store), change)
        with pytest.raises((ArtifactError, InputError, StoreError, Exception)) as caught:
            store.open("words", version).embedding()
        assert type(caught.value).__name__ in {"Corrupt", "WrongKind", "Unsupported"}, change


def test_manifests_with_wrong_fields_are_refused(store):
    def path_outside(fields):
        fields["files"]["card"]["path"] = "../latest"

    def negative_size(fields):
        fields["files"]["card"]["bytes"] = -1

    def not_a_hash(fields):
        fields["files"]["card"]["sha256"] = "zz"

    def twice(fields):
        fields["files"]["report"] = fields["files"]["card"]

    def kind(fields):
        fields["kind"] = "oracle"

    def huge(fields):
        fields["tensors"]["vectors"]["shape"] = [2**60]

    for change in (path_outside, negative_size, not_a_hash, twice, kind, huge):
        version = publish(store, seed=3)
        with pytest.raises(Corrupt):
            reseal(store, version, change)
        store.open("words", version)


def test_another_format_version_is_refused_by_name():
    with pytest.raises(Unsupported, match="format_version 2"):
        parse_manifest(encode_json({"format_version": 2}), name="a", version="b")


def test_hashes_are_remembered_for_the_same_bytes(store, monkeypatch, cache):
    version = publish(store)
    store.open("words")
    assert list((cache / "verified").iterdir())
    hashed = []
    real = artifact.files.hash_file
    monkeypatch.setattr(artifact.files, "hash_file", lambda path: hashed.append(path.name) or real(path))
    Store(store.root).open("words")
    assert hashed == []
    weights = store.root / "words" / version / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(Corrupt, match="weights"):
        Store(store.root).open("words")
    assert hashed == ["weights.safetensors"]


def test_a_cache_that_cannot_be_written_or_read_is_done_without(store, monkeypatch, tmp_path):
    publish(store)
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("WORDKIN_CACHE", str(tmp_path / "file"))
    store.open("words")
    monkeypatch.setenv("WORDKIN_CACHE", str(tmp_path / "cache"))
    store.open("words")
    (record,) = (tmp_path / "cache" / "verified").iterdir()
    for garbage in (
        b"",
        b"[1]",
        b'{"weights.safetensors": 3}',
        b"[" * 100_000,
        b'{"weights.safetensors": [1,2,3,4,5,"x"]}',
    ):
        record.write_bytes(garbage)
        store.open("words")


def test_readers_see_the_old_latest_or_the_new_while_publishing(store):
    publish(store)
    stop = threading.Event()
    seen = []

    def read():
        while not stop.is_set():
            seen.append(store.open("words").embedding().version)

    thread = threading.Thread(target=read)
    thread.start()
    published = {publish(store, seed=seed) for seed in range(1, 6)}
    stop.set()
    thread.join()
    assert seen
    assert set(seen) <= published | set(store.versions("words"))


def test_publishing_the_same_bytes_in_the_same_second_is_publishing_them_once(store):
    versions = [publish(store) for _ in range(3)]
    assert store.versions("words") == sorted(set(versions))
    assert store.latest("words") == versions[-1]
    assert not list((store.root / "words").glob(".*"))
