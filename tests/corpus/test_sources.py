import os
from pathlib import Path

import pytest

from artifact.errors import InputError
from trainer.corpus.sources import find_sources, show


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in (
        "b.txt",
        "a.txt",
        "sub/c",
        "sub/deep/d.gz",
        ".hidden.txt",
        ".git/e.txt",
        "old/corpus.json",
        "old/vocabulary.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*sources):
    return [str(source.path) for source in find_sources(sources)]


def test_a_folder_is_read_recursively_and_sorted(folder):
    assert names(".") == ["a.txt", "b.txt", "sub/c", "sub/deep/d.gz"]
    assert names(str(folder / "sub")) == [str(folder / "sub/c"), str(folder / "sub/deep/d.gz")]
    assert all(source.optional for source in find_sources(["."]))


def test_files_come_in_the_order_given(folder):
    assert names("b.txt", "a.txt", "b.txt") == ["b.txt", "a.txt", "b.txt"]
    assert not any(source.optional for source in find_sources(["a.txt"]))
    assert [source.bytes_on_disk for source in find_sources(["a.txt", "-"])] == [5, None]


def test_globs(folder):
    assert names("*.txt") == ["a.txt", "b.txt"]
    assert names("**/d*") == ["sub/deep/d.gz"]
    assert names(f"{folder}/[ab].txt") == [str(folder / "a.txt"), str(folder / "b.txt")]
    assert names("s*") == ["sub/c", "sub/deep/d.gz"]


def test_a_name_with_glob_characters_is_a_name_first(folder):
    (folder / "[ab].txt").write_text("x")
    assert names("[ab].txt") == ["[ab].txt"]


def test_a_link_to_a_file_is_followed(folder):
    (folder / "sub" / "link").symlink_to(folder / "a.txt")
    assert names("sub") == ["sub/c", "sub/deep/d.gz", "sub/link"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.txt", "nowhere.txt: no such file or folder"),
        ("no*thing", r"no\*thing: no such file or folder"),
        ("", "''"),
        ("a\0b", r"'a\\x00b': not a path"),
        ("empty", "empty: no files in this folder"),
        ("old", "old: this is a corpus already"),
        ("dangling", "dangling: No such file"),
        ("a.txt/b", "a.txt/b: no such file or folder"),
        ("x" * 5000, "x: no such file|File name too long"),
    ],
)
def test_mistakes_are_named(folder, source, message):
    (folder / "empty" / ".nothing").mkdir(parents=True)
    (folder / "dangling").symlink_to(folder / "nowhere")
    with pytest.raises(InputError, match=message) as caught:
        find_sources([source])
    assert "\n" not in str(caught.value)


def test_nothing_and_twice_standard_input():
    with pytest.raises(InputError, match="no text to read"):
        find_sources([])
    with pytest.raises(InputError, match="only once"):
        find_sources(["-", "a", "-"])


def test_names_can_always_be_printed(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff\n.txt"
    Path(os.fsdecode(path)).write_text("words")
    [source] = find_sources([os.fsdecode(path)])
    assert source.name.endswith(r"/\\xff\n.txt")
    assert show("한국어.txt") == "한국어.txt"
    with pytest.raises(InputError) as caught:
        find_sources([os.fsdecode(path) + "x"])
    str(caught.value).encode("utf-8")
