import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import InputError
from trainer import console
from trainer.loop import Status
from trainer.progress import show_progress


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_345, "12.3 kB"),
        (999_600, "1.00 MB"),
        (4.65e9, "4.65 GB"),
        (2e15, "2000 TB"),
    ],
)
def test_bytes_for_people(count, expected):
    assert console.format_bytes(count) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.123, "0.12 s"), (59, "59 s"), (61, "1 min 1 s"), (7300, "2 h 1 min")]
)
def test_seconds_for_people(seconds, expected):
    assert console.format_seconds(seconds) == expected


def test_tables_align_wide_characters():
    table = console.format_table([["사랑", "1"], ["love", "22"]], right=(1,))
    assert table == "사랑   1\nlove  22"


@given(st.text())
def test_one_line_is_one_line_and_printable(text):
    shown = console.one_line(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    shown.encode("utf-8")


@given(
    st.dictionaries(
        st.text(), st.text() | st.integers() | st.text(alphabet=st.characters(exclude_categories=()))
    )
)
def test_json_lines_are_one_line_and_come_back(values):
    line = console.to_json_line(values)
    line.encode("utf-8")
    assert "\n" not in line
    assert json.loads(line) == values


def test_json_does_not_say_nan():
    with pytest.raises(InputError):
        console.to_json_line({"loss": float("nan")})


def status(words, total=100):
    return Status(
        words=words,
        total_words=total,
        words_per_second=1234.5,
        loss=2.5,
        learning_rate=0.01,
        seconds=1.0,
        seconds_left=3.0,
    )


def test_progress_as_json_is_throttled_but_ends(capsys):
    out = console.Console(as_json=True)
    with show_progress(out) as progress:
        for done in range(0, 101, 10):
            progress.work("count", done, 100)
        progress.work("encode", 7, 7)
        progress.training(words=0, total_words=100)
        for words in range(1, 101):
            progress.stepped(status(words))
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(r["stage"], r.get("bytes"), r.get("words")) for r in records] == [
        ("count", 0, None),
        ("count", 100, None),
        ("encode", None, 7),
        ("train", None, 0),
        ("train", None, 100),
    ]
    assert records[-1]["loss"] == 2.5
    assert records[-1]["words_per_second"] == 1234


def test_progress_bars_stay_off_standard_output(capsys):
    out = console.Console(as_json=False)
    with show_progress(out) as progress:
        progress.work("count", 50, 100)
        progress.warming_up()
        progress.training(words=0, total_words=100)
        progress.stepped(status(100))
        progress.note("careful")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "training    100 %" in captured.err
    assert "1,234 words/s · loss 2.500" in captured.err
    assert "wordkin: careful" in captured.err


def test_bars_shed_details_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    with show_progress(console.Console(as_json=False)) as progress:
        progress.training(words=0, total_words=100)
        progress.stepped(status(99))
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert max(map(len, lines)) < 70
    assert any("words/s · loss 2.500" in line and "rate" not in line for line in lines)
