import bz2
import gzip
import io
import lzma
import os
import random
import sys
import threading

import pytest
import zstandard

from artifact.errors import InputError
from trainer.corpus.reading import NotText, read_pieces
from trainer.corpus.sources import Source, find_sources

TEXT = "".join(
    f"line {n} of ordinary text\n" for n in random.Random(1).choices(range(100_000), k=5000)
).encode()
PACK = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def read(path, piece_bytes=1000):
    [source] = find_sources([str(path)])
    return b"".join(piece for piece, _ in read_pieces(source, piece_bytes))


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("name", ["text{}", "text.txt", "no-suffix"])
def test_compressed_files_are_known_by_their_first_bytes(tmp_path, suffix, name):
    path = tmp_path / name.format(suffix)
    path.write_bytes(PACK[suffix](TEXT))
    assert read(path) == TEXT


@pytest.mark.parametrize("suffix", PACK)
def test_several_streams_one_after_another(tmp_path, suffix):
    path = tmp_path / "text"
    path.write_bytes(PACK[suffix](TEXT[:777]) + PACK[suffix](TEXT[777:]))
    assert read(path) == TEXT


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("keep", [0.02, 0.5, 0.999])
def test_truncated_files_are_named(tmp_path, suffix, keep):
    path = tmp_path / f"short{suffix}"
    packed = PACK[suffix](TEXT)
    path.write_bytes(packed[: int(len(packed) * keep)])
    with pytest.raises(InputError, match=rf"short\{suffix}: broken (or truncated )?\w+ file"):
        read(path)


@pytest.mark.parametrize("suffix", PACK)
def test_flipped_bits_are_noticed(tmp_path, suffix):
    packed = bytearray(PACK[suffix](TEXT))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(packed)
    try:
        assert read(path) != TEXT  # zstd without a checksum, as packed here, may decode to other text
        assert suffix == ".zst"
    except InputError as error:
        assert f"bad{suffix}" in str(error)
        assert "\n" not in str(error)


@pytest.mark.parametrize("suffix", PACK)
def test_a_suffix_is_a_promise(tmp_path, suffix):
    path = tmp_path / f"plain{suffix}"
    path.write_bytes(TEXT)
    with pytest.raises(InputError, match=rf"plain\{suffix}: broken"):
        read(path)


def test_highly_compressed_zst_comes_in_bounded_pieces(tmp_path):
    path = tmp_path / "zeros.zst"
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress(b"a" * (64 << 20)))
    [source] = find_sources([str(path)])
    sizes = [len(piece) for piece, _ in read_pieces(source, 1 << 20)]
    assert sum(sizes) == 64 << 20
    assert path.stat().st_size < 100_000
    assert max(sizes) <= 20 << 20


@pytest.mark.parametrize("piece_bytes", [1, 7, 8192, 1 << 22])
def test_pieces_and_progress(tmp_path, piece_bytes):
    path = tmp_path / "text"
    path.write_bytes(TEXT)
    pieces = list(read_pieces(Source(path, len(TEXT)), piece_bytes))
    assert b"".join(piece for piece, _ in pieces) == TEXT
    positions = [position for _, position in pieces]
    assert positions == sorted(positions)
    assert positions[-1] == len(TEXT)


def test_a_byte_order_mark_is_left_out_at_the_start_alone(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo")
    assert read(path, 2) == b"one\n\xef\xbb\xbftwo"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("some words\n".encode("utf-16"), "this is UTF-16"),
        ("some words\n".encode("utf-16-be"), "looks like UTF-16"),
        ("some words\n".encode("utf-16-le"), "looks like UTF-16"),
        ("some words\n".encode("utf-32-le"), "looks"),
        (b"\x7fELF" + bytes(200) + os.urandom(1000), "looks binary"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"%PDF-1.7 rest", "a PDF"),
        (gzip.compress(bytes(1000)), "looks binary"),
    ],
)
def test_what_is_not_text(tmp_path, content, message):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(NotText, match=rf"file\.txt: .*{message}"):
        read(path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"a\0b\0\0", b"one\0two three\0four", b"caf\xe9 latin-1 \xff\xfe"]
)
def test_what_is_text(tmp_path, content):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    assert read(path) == content


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(TEXT))))
    assert read("-") == TEXT


def test_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input: closed"):
        read("-")


def test_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(TEXT,))
    writer.start()
    assert read(pipe) == TEXT
    writer.join()


def test_a_file_that_vanishes_is_named(tmp_path):
    path = tmp_path / "gone.txt"
    path.write_bytes(TEXT)
    [source] = find_sources([str(path)])
    path.unlink()
    with pytest.raises(InputError, match=r"gone\.txt: No such file"):
        list(read_pieces(source, 100))
