import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from artifact.embedding import Neighbour
from artifact.store import Store
from trainer.card import Card
from trainer.figures import draw_loss
from trainer.loop import History, Step
from trainer.publish import choose_shown_words


@pytest.fixture(scope="module")
def artifact(trained_store):
    return Store(trained_store).open("farm")


def test_the_card_tells_text_settings_and_neighbours(artifact):
    card = artifact.file("card").read_text()
    assert artifact.file("card").name == "README.md"
    assert card.startswith("# farm\n")
    for said in ("farm.txt", "| dim | 16 |", "| tokenizer | words |", "nats", "](loss.svg)"):
        assert said in card
    assert re.search(r"^- `\w+`: `\w+`, ", card, re.MULTILINE)
    assert "generated" not in card


def test_the_report_stands_alone(artifact):
    report = artifact.file("report").read_text()

    class Reader(HTMLParser):
        outside, tags = [], set()

        def handle_starttag(self, tag, attributes):
            self.tags.add(tag)
            self.outside += [
                value for name, value in attributes if name in {"src", "href"} and "http" in (value or "")
            ]

    Reader().feed(report)
    assert {"svg", "table", "h1"} <= Reader.tags
    assert Reader.outside == []
    assert "script" not in Reader.tags


def test_the_plot_is_wellformed_svg(artifact):
    root = ET.fromstring(artifact.file("loss-plot").read_bytes())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_same_history_same_drawing():
    history = History(total_words=100)
    for number in range(10):
        history.add(Step(words=10, examples=5, loss_sum=10.0 - number, learning_rate=0.1))
    first = draw_loss(history, title="a $ b")
    assert draw_loss(history, title="a $ b") == first
    history.add(Step(words=10, examples=0, loss_sum=0.0, learning_rate=0.1))
    draw_loss(history, title="a step without examples")
    draw_loss(History(total_words=1), title="nothing")


def test_the_history_is_published_too(artifact):
    import json

    history = History.from_json(json.loads(artifact.file("loss-history").read_bytes()))
    assert history.loss == artifact.manifest.metrics["loss"]
    assert history.words == history.total_words


def make_card(**more):
    values = {
        "name": "x",
        "summary": "vectors",
        "text": {"source": "a|b\nc <script>"},
        "settings": {},
        "result": {},
        "neighbours": {"<b>": [Neighbour("`x`", 0.5)], "사랑": []},
    }
    return Card(**{**values, **more})


def test_words_of_the_text_cannot_break_the_papers():
    card = make_card().to_markdown().decode()
    assert r"a\|b\nc <script>" in card
    assert "`` `x` ``" in card
    page = make_card().to_html(loss_svg=b"<?xml?><svg></svg>").decode()
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
    assert "사랑" in page


def test_generated_text_is_called_generated():
    assert b"Generated text" in make_card(generated=True).to_markdown()
    assert b"Generated text" in make_card(generated=True).to_html(loss_svg=b"<svg/>")
    assert b"Generated text" not in make_card().to_html(loss_svg=b"<svg/>")


def test_shown_words_are_real_words_of_all_frequencies():
    tokens = [*(f"the{'abcdefghij'[number % 10]}{number}" for number in range(100)), "<unk>", "N"]
    tokens += [
        f"word{'abcdefghij'[i]}{'abcdefghij'[j]}{'abcdefghij'[k]}"
        for i in range(10)
        for j in range(10)
        for k in range(10)
    ]
    shown = choose_shown_words(tokens, 12)
    assert 6 <= len(shown) <= 12
    assert all(word.isalpha() for word in shown)
    assert len(set(shown)) == len(shown)
    places = [tokens.index(word) for word in shown]
    assert places == sorted(places)
    assert places[-1] > 1000
    assert choose_shown_words(["a", "b"]) == []
