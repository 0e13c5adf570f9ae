import re
from dataclasses import fields
from pathlib import Path

import pytest

from app.__main__ import main
from app.settings import Settings, parse_settings, tabulate_settings
from artifact.errors import InputError

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_documented_table_is_the_one_of_the_program(capsys):
    documented = re.search(r"^(\| Option.*?\n)(?!\|)", DOCUMENT.read_text(), flags=re.MULTILINE | re.DOTALL)[
        1
    ]
    assert main(["settings"]) == 0
    assert documented == capsys.readouterr().out, (
        "put the table of python -m app settings into docs/settings.md"
    )


def test_every_setting_stands_in_the_table_once():
    rows = tabulate_settings().splitlines()[2:]
    assert [row.split("`")[3] for row in rows] == [
        f"WORDKIN_{field.name.upper()}" for field in fields(Settings)
    ]
    assert (
        "| `--port PORT` | `WORDKIN_PORT` | `8000` | the port to listen on; 0 takes a free one (0 to 65,535) |"
        in rows
    )
    for row in rows:
        assert row.count("|") == 5


def test_a_choice_is_one_of_its_choices():
    assert parse_settings(["--store", "x"], {"WORDKIN_LOG_FORMAT": "json"}).log_format == "json"
    with pytest.raises(InputError, match="--log-format must be text or json, not 'xml'"):
        parse_settings(["--store", "x", "--log-format", "xml"], {})
