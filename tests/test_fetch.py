"""Fetching, against a server of our own on this machine: nothing here needs a network."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import http.server
import io
import os
import re
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from artifact.errors import InputError, StoreUnwritable
from trainer.corpus import fetch as fetch_module
from trainer.corpus.datasets import DATASETS, Dataset, Download, Member
from trainer.corpus.fetch import default_cache, describe, fetch

TEXT = b"".join(b"line %d of a text that was made for this test\n" % number for number in range(20_000))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``server.files``, with ranges unless told otherwise, and notes every request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        if server.answer is not None and server.answer(self):
            return
        data = server.files.get(self.path.lstrip("/"))
        if data is None:
            self.send_error(404)
            return
        start, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range") in {None, server.tag}
        if asked and server.ranges and fresh:
            start, status = int(asked[1]), 206
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        self.send_response(status)
        if server.tag:
            self.send_header("ETag", server.tag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        rest = data[start:]
        if server.cuts:
            self.wfile.write(rest[: server.cuts.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(rest)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None, str | None]] = []
        self.ranges = True
        self.tag = '"one"'
        self.cuts: list[int] = []  # after how many bytes each of the next answers breaks off
        self.answer: Callable[[Handler], bool] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def offer(server, monkeypatch):
    """Put one dataset in the table, and its file on the server."""

    def offer(data: bytes, file_name: str = "made.txt", *, text: str | None = None, **known) -> None:
        server.files[file_name] = data
        source = Download(f"http://canonical.invalid/{file_name}", **known)
        made = Dataset("made", "a made text", "free", text or file_name, (source,))
        monkeypatch.setattr(fetch_module, "DATASETS", {"made": made})

    return offer


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.part"))


def test_a_file_is_fetched_once(server, offer, tmp_path):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    for _ in range(2):
        path = fetch("made", cache=tmp_path, base_url=server.url)
        assert path == tmp_path / "made" / "made.txt"
        assert path.read_bytes() == TEXT
    assert len(server.requests) == 1
    assert everything_in(tmp_path / "made") == {".lock", "SHA256SUMS", "made.txt"}
    assert (tmp_path / "made" / "SHA256SUMS").read_text() == f"{sha256(TEXT)}  made.txt\n"


def test_without_a_known_hash_the_first_one_is_written_down_and_held_to(server, offer, tmp_path):
    offer(TEXT)
    path = fetch("made", cache=tmp_path, base_url=server.url)
    assert sha256(TEXT) in (tmp_path / "made" / "SHA256SUMS").read_text()
    path.write_bytes(TEXT[:-1] + b"x")
    fetch("made", cache=tmp_path, base_url=server.url)
    assert path.read_bytes() == TEXT
    assert len(server.requests) == 2


@pytest.mark.parametrize("damage", ["changed", "removed", "no sums", "senseless sums", "other sums"])
def test_what_is_not_sound_any_more_is_fetched_again(server, offer, tmp_path, damage):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    path = fetch("made", cache=tmp_path, base_url=server.url)
    sums = path.with_name("SHA256SUMS")
    {
        "changed": lambda: path.write_bytes(TEXT[1:]),
        "removed": path.unlink,
        "no sums": sums.unlink,
        "senseless sums": lambda: sums.write_bytes(b"\xff\n"),
        "other sums": lambda: sums.write_text(f"{'0' * 64}  made.txt\n"),
    }[damage]()
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT
    assert len(server.requests) == 2


def test_all_files_of_a_dataset_lie_beside_the_text(server, tmp_path, monkeypatch):
    files = {"train.txt": TEXT, "test.txt": TEXT[:500]}
    server.files.update(files)
    downloads = tuple(
        Download(f"http://canonical.invalid/data/{name}", len(data), sha256(data))
        for name, data in files.items()
    )
    made = Dataset("made", "two", "free", "train.txt", downloads)
    monkeypatch.setattr(fetch_module, "DATASETS", {"made": made})
    told: list[tuple[str, int, int | None]] = []
    path = fetch("made", cache=tmp_path, base_url=server.url, progress=lambda *now: told.append(now))
    assert path.name == "train.txt"
    assert path.with_name("test.txt").read_bytes() == TEXT[:500]
    assert {stage for stage, _, _ in told} == {"download"}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1] == ("download", len(TEXT) + 500, len(TEXT) + 500)


def test_a_broken_connection_is_made_again_and_goes_on_where_it_stopped(server, offer, tmp_path):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    server.cuts = [300_000, 100_000]
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT
    assert server.requests == [
        ("/made.txt", None, None),
        ("/made.txt", "bytes=300000-", '"one"'),
        ("/made.txt", "bytes=400000-", '"one"'),
    ]


def test_an_interrupted_fetch_goes_on_when_asked_again(server, offer, tmp_path):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    server.cuts = [300_000, 0]
    with pytest.raises(InputError, match=r"broke off after 300,000 bytes .*fetch again to go on") as raised:
        fetch("made", cache=tmp_path, base_url=server.url)
    assert "\n" not in str(raised.value)
    assert [part.stat().st_size for part in parts(tmp_path)] == [300_000]
    assert not (tmp_path / "made" / "made.txt").exists()
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT
    assert server.requests[-1] == ("/made.txt", "bytes=300000-", '"one"')
    assert not parts(tmp_path)


def test_gives_up_after_some_attempts(server, offer, tmp_path):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    server.cuts = [1_000] * 50
    with pytest.raises(InputError, match="broke off after 5,000 bytes"):
        fetch("made", cache=tmp_path, base_url=server.url)
    assert len(server.requests) == 5


def leave_part(server, tmp_path) -> None:
    server.cuts = [300_000, 0]
    with pytest.raises(InputError, match="broke off"):
        fetch("made", cache=tmp_path, base_url=server.url)
    server.requests.clear()


def test_a_server_without_ranges_starts_over(server, offer, tmp_path):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    leave_part(server, tmp_path)
    server.ranges = False
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT
    assert len(server.requests) == 1


def test_another_version_on_the_server_starts_over(server, offer, tmp_path):
    offer(TEXT)
    leave_part(server, tmp_path)
    server.files["made.txt"], server.tag = TEXT.upper(), '"two"'
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT.upper()
    assert server.requests == [("/made.txt", "bytes=300000-", '"one"')]


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_a_part_that_nothing_vouches_for_is_held_to_the_hash(server, offer, tmp_path, tag):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    server.tag = tag
    leave_part(server, tmp_path)
    (part,) = parts(tmp_path)
    part.write_bytes(b"x" * 300_000)
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT
    assert server.requests == [("/made.txt", "bytes=300000-", None), ("/made.txt", None, None)]


def test_a_part_that_nothing_vouches_for_and_no_hash_is_known_of_is_dropped(server, offer, tmp_path):
    offer(TEXT)
    server.tag = ""
    server.cuts = [300_000]
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT
    assert server.requests == [("/made.txt", None, None)] * 2


@pytest.mark.parametrize("excess", [0, 7])
def test_a_part_as_long_as_the_file_or_longer(server, offer, tmp_path, excess):
    offer(TEXT, sha256=sha256(TEXT))
    leave_part(server, tmp_path)
    (part,) = parts(tmp_path)
    part.write_bytes(TEXT + b"x" * excess)
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT
    assert len(server.requests) == (1 if excess == 0 else 2)


def test_a_wrong_hash_is_refused_and_nothing_of_it_kept(server, offer, tmp_path):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(b"something else"))
    with pytest.raises(InputError, match=f"its sha256 is {sha256(TEXT)}, not {sha256(b'something else')}"):
        fetch("made", cache=tmp_path, base_url=server.url)
    assert everything_in(tmp_path / "made") == {".lock"}
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT


def test_a_wrong_size_is_refused_before_it_is_downloaded(server, offer, tmp_path):
    offer(TEXT, bytes=12, sha256=sha256(TEXT))
    with pytest.raises(InputError, match=f"has {len(TEXT):,} bytes, not the 12 that are known"):
        fetch("made", cache=tmp_path, base_url=server.url)
    assert everything_in(tmp_path / "made") == {".lock"}


@pytest.mark.parametrize("sent", [b"short", TEXT])
def test_a_wrong_size_is_refused_where_the_server_says_none(server, offer, tmp_path, sent):
    def without_length(handler):
        handler.close_connection = True
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(sent)
        return True

    server.answer = without_length
    offer(TEXT, bytes=1_000, sha256=sha256(TEXT))
    with pytest.raises(InputError, match="bytes arrived, not the 1,000 that are known"):
        fetch("made", cache=tmp_path, base_url=server.url)
    assert not parts(tmp_path)


def refuse(status: int, headers: dict[str, str] | None = None) -> Callable[[Handler], bool]:
    def answer(handler: Handler) -> bool:
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        return True

    return answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refuse(404), "the server answered 404 Not Found"),
        (refuse(503), "the server answered 503 Service Unavailable"),
        (refuse(200, {"Content-Encoding": "gzip"}), "compressed though it was asked not to"),
        (refuse(206, {"Content-Range": "bytes 5-9/10"}), "a part that was not asked for"),
        (refuse(302, {"Location": "/again"}), "cannot be reached .*redirects"),
    ],
)
def test_a_refusal_is_one_clear_line(server, offer, tmp_path, answer, message):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    server.answer = answer
    with pytest.raises(InputError, match=message) as raised:
        fetch("made", cache=tmp_path, base_url=server.url)
    assert str(raised.value).startswith(f"{server.url}/made.txt: ")
    assert "\n" not in str(raised.value)


def test_a_redirect_is_followed(server, offer, tmp_path):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    server.files["elsewhere"] = TEXT
    moved = refuse(302, {"Location": "/elsewhere"})
    server.answer = lambda handler: handler.path == "/made.txt" and moved(handler)
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT


def test_no_server_is_one_clear_line(offer, tmp_path):
    offer(TEXT)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(
            InputError, match=r"127\.0\.0\.1 cannot be reached .*is there a network\?"
        ) as raised:
            fetch("made", cache=tmp_path, base_url=url)
    assert "\n" not in str(raised.value)


def test_a_host_without_an_address_is_one_clear_line(offer, tmp_path, monkeypatch):
    def no_address(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    offer(TEXT)
    with pytest.raises(InputError, match=r"canonical\.invalid cannot be reached .*Name or service not known"):
        fetch("made", cache=tmp_path)


def test_a_server_that_says_nothing_is_one_clear_line(offer, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.corpus.download.TIMEOUT_S", 0.05)
    offer(TEXT)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match="did not answer within"):
            fetch("made", cache=tmp_path, base_url=url)


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1", "nonsense", "http://[", "http://127.0.0.1:99999"])
def test_a_senseless_base_url_is_one_clear_line(offer, tmp_path, url):
    offer(TEXT)
    with pytest.raises(InputError, match=r"made\.txt: "):
        fetch("made", cache=tmp_path, base_url=url)


def test_an_unknown_name_is_told_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"no text named 'ptbb'.* ptb, text8"):
        fetch("ptbb", cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_zip_gives_its_members_and_nothing_else(server, offer, tmp_path):
    files = {"made/": b"", "made/train": TEXT, "made/valid": b"v", "README": b"r"}
    archive = zipped(files)
    members = (Member("made/train", len(TEXT), sha256(TEXT)), Member("made/valid"))
    offer(archive, "made.zip", text="train", sha256=sha256(archive), members=members)
    told: list[tuple[str, int, int | None]] = []
    path = fetch("made", cache=tmp_path, base_url=server.url, progress=lambda *now: told.append(now))
    assert path.read_bytes() == TEXT
    assert everything_in(tmp_path / "made") == {".lock", "SHA256SUMS", "train", "valid"}
    assert told[-1] == ("unpack", len(TEXT) + 1, None)
    assert fetch("made", cache=tmp_path, base_url=server.url) == path
    assert len(server.requests) == 1


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_tar_gives_folders_of_files(server, offer, tmp_path, prefix):
    archive = tarred({f"{prefix}made/shards/{name}": TEXT for name in ("a-1", "a-2")})
    offer(archive, "made.tar.gz", text="shards", members=(Member("made/shards/"),))
    folder = fetch("made", cache=tmp_path, base_url=server.url)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a-1": TEXT, "a-2": TEXT}
    (folder / "a-2").write_bytes(b"")
    fetch("made", cache=tmp_path, base_url=server.url)
    assert (folder / "a-2").read_bytes() == TEXT


@contextmanager
def nothing_outside(tmp_path: Path):
    before = everything_in(tmp_path)
    yield
    assert {name for name in everything_in(tmp_path) - before if not name.startswith("cache/")} == set()


@pytest.mark.parametrize(
    "evil", ["../evil", "/tmp/evil-of-wordkin", "../../evil", "made/../../evil", "made\\evil"]
)
@pytest.mark.parametrize(("pack", "suffix"), [(zipped, "zip"), (tarred, "tgz")])
def test_paths_that_lead_out_of_the_folder_lead_nowhere(server, offer, tmp_path, evil, pack, suffix):
    offer(pack({evil: b"evil", "train": TEXT}), f"made.{suffix}", text="train", members=(Member("train"),))
    with nothing_outside(tmp_path):
        fetch("made", cache=tmp_path / "cache", base_url=server.url)
    assert everything_in(tmp_path / "cache" / "made") == {".lock", "SHA256SUMS", "train"}
    assert not Path("/tmp/evil-of-wordkin").exists()


@pytest.mark.parametrize("evil", ["made/../../evil", "made/sub/file", "made/.hidden", "made/a\nb", "made/"])
def test_a_folder_of_files_takes_plain_names_alone(server, offer, tmp_path, evil):
    offer(tarred({"made/fine": TEXT, evil: b"evil"}), "made.tgz", text="made", members=(Member("made/"),))
    with nothing_outside(tmp_path), pytest.raises(InputError, match="name that is not allowed"):
        fetch("made", cache=tmp_path / "cache", base_url=server.url)


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("train")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def locked_zip() -> bytes:
    data = bytearray(zipped({"train": TEXT}))
    for at in (data.find(b"PK\x03\x04") + 6, data.find(b"PK\x01\x02") + 8):
        data[at] |= 1
    return bytes(data)


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


BAD_ARCHIVES = {
    "no zip": (b"no archive", "zip", "is broken"),
    "no gzip": (b"no archive", "tgz", "is broken"),
    "empty": (b"", "zip", "is broken"),
    "no tar": (gzip.compress(b"no tar"), "tgz", "is broken"),
    "cut zip": (zipped({"train": TEXT})[:-200], "zip", "is broken"),
    "cut tar": (tarred({"train": TEXT})[:-200], "tgz", "is broken"),
    "flipped zip": (flipped(zipped({"train": TEXT})), "zip", "is broken"),
    "flipped tar": (flipped(tarred({"train": TEXT})), "tgz", "is broken|the sha256 of train is"),
    "locked": (locked_zip(), "zip", "cannot be unpacked"),
    "something else": (zipped({"other": TEXT}), "zip", "train is not in it"),
    "symbolic link": (tarred({"train": link(tarfile.SYMTYPE)}), "tgz", "train is not in it"),
    "hard link": (tarred({"train": link(tarfile.LNKTYPE)}), "tgz", "train is not in it"),
    "too small": (zipped({"train": TEXT[:5]}), "zip", "train has 5 bytes, not the"),
    "other text": (zipped({"train": TEXT.upper()}), "zip", "the sha256 of train is"),
    "twice": (tarred({"./train": TEXT, "train": TEXT}), "tgz", "holds train twice"),
}


@pytest.mark.parametrize(("archive", "suffix", "message"), BAD_ARCHIVES.values(), ids=BAD_ARCHIVES)
def test_a_bad_archive_is_one_clear_line_and_is_not_kept(server, offer, tmp_path, archive, suffix, message):
    members = (Member("train", len(TEXT), sha256(TEXT)),)
    offer(archive, f"made.{suffix}", text="train", members=members)
    with pytest.raises(InputError, match=message) as raised:
        fetch("made", cache=tmp_path, base_url=server.url)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "made" / "train").exists()
    assert not list(tmp_path.rglob("made.*"))


def test_an_archive_that_had_arrived_is_not_downloaded_again(server, offer, tmp_path, monkeypatch):
    archive = zipped({"train": TEXT})
    for known in ({"bytes": len(archive)}, {"sha256": sha256(archive)}):
        offer(archive, "made.zip", text="train", members=(Member("train"),), **known)
        server.requests.clear()
        cache = tmp_path / next(iter(known))

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(fetch_module, "unpack", interrupted)
            fetch("made", cache=cache, base_url=server.url)
        assert fetch("made", cache=cache, base_url=server.url).read_bytes() == TEXT
        assert len(server.requests) == 1


def test_a_full_disk_is_said_at_once_where_sizes_are_known(server, offer, tmp_path):
    offer(zipped({"train": TEXT}), "made.zip", text="train", members=(Member("train", 10**18),))
    with pytest.raises(
        StoreUnwritable, match=r"made needs 1,000,000,000,000,000,000 bytes, and the disk has"
    ):
        fetch("made", cache=tmp_path, base_url=server.url)
    assert server.requests == []


@pytest.mark.parametrize("stage", ["download", "unpack"])
def test_a_disk_that_gets_full_is_one_clear_line(server, offer, tmp_path, stage):
    archive = zipped({"train": TEXT})
    offer(archive, "made.zip", text="train", sha256=sha256(archive), members=(Member("train"),))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def progress(now: str, done: int, total: int | None) -> None:
        if now == stage and done > 0:
            raise full

    with pytest.raises(StoreUnwritable, match="cannot be written: No space left on device"):
        fetch("made", cache=tmp_path, base_url=server.url, progress=progress)
    assert fetch("made", cache=tmp_path, base_url=server.url).read_bytes() == TEXT


def test_a_cache_that_is_a_file_is_one_clear_line(offer, tmp_path):
    offer(TEXT)
    (tmp_path / "cache").write_text("")
    with pytest.raises(StoreUnwritable, match="cache/made: cannot be written"):
        fetch("made", cache=tmp_path / "cache")


def test_a_reader_of_the_progress_that_has_gone_is_not_taken_for_a_full_disk(server, offer, tmp_path):
    offer(TEXT)

    def gone(*_):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        fetch("made", cache=tmp_path, base_url=server.url, progress=gone)


def test_two_at_once_do_not_get_into_each_others_way(server, offer, tmp_path):
    offer(TEXT, bytes=len(TEXT), sha256=sha256(TEXT))
    refused: list[str] = []

    def progress(*_):
        if not refused:
            with pytest.raises(InputError, match="made is being fetched by another process") as raised:
                fetch("made", cache=tmp_path, base_url=server.url)
            refused.append(str(raised.value))

    assert fetch("made", cache=tmp_path, base_url=server.url, progress=progress).read_bytes() == TEXT
    assert refused


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("WORDKIN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg" / "wordkin" / "corpora"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "wordkin" / "corpora"


def test_without_a_cache_the_default_is_used(server, offer, monkeypatch, tmp_path):
    monkeypatch.setenv("WORDKIN_CACHE", str(tmp_path))
    offer(TEXT)
    assert fetch("made", base_url=server.url) == tmp_path / "corpora" / "made" / "made.txt"


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_the_table_is_complete(dataset):
    """Everything that is downloaded has a size and a hash, its own or of what is taken out of it."""
    assert dataset.summary
    assert dataset.licence
    kept = {name for source in dataset.downloads for name in source.kept_names}
    assert dataset.text in kept
    for source in dataset.downloads:
        assert re.fullmatch(r"https?://[^ ?#]+/[A-Za-z0-9._-]+", source.url)
        assert source.bytes is not None
        hashes = [source.sha256] if source.sha256 else [member.sha256 for member in source.members]
        assert hashes
        assert all(re.fullmatch(r"[0-9a-f]{64}", found or "") for found in hashes)
        assert bool(source.members) == source.url.endswith((".zip", ".tgz", ".tar.gz"))


def test_a_dataset_is_described_with_licence_and_place():
    lines = describe("text8").splitlines()
    assert lines[0].startswith("text8: ")
    assert lines[1] == f"licence: {DATASETS['text8'].licence}"
    assert lines[2] == "from: http://mattmahoney.net/dc/text8.zip (31,344,016 bytes)"
    with pytest.raises(InputError, match="no text named"):
        describe("nothing")


def test_the_table_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DATASETS["ptb"].licence = "free"
