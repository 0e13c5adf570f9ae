"""The page at /, as a person uses it, beside what the routes answer."""

import re
import shutil
import urllib.parse

import httpx
import numpy as np
import pytest

from app.keys import draw_key
from artifact.store import Store
from tests.app.serving import TOKENS, VECTORS, publish
from tests.browser.conftest import HOSTILE, serve, watch

pytestmark = pytest.mark.browser


@pytest.fixture
def ask(address):
    """A function that asks the server: GET, or POST where there is a body. Returns the JSON."""

    def ask_it(path, body=None, **parameters):
        url = address + path
        answer = httpx.post(url, json=body) if body is not None else httpx.get(url, params=parameters)
        return answer.raise_for_status().json()

    return ask_it


def open_page(page, **parameters):
    # Another fragment alone would load nothing anew.
    page.goto("about:blank")
    page.goto("/#" + urllib.parse.urlencode(parameters))


def read_bars(scope):
    """The words and numbers of a list of results."""
    scope.locator(".bars li").first.wait_for()
    entries = scope.locator(".bars li").all()
    return [(e.locator("bdi").inner_text(), e.locator(".number").inner_text()) for e in entries]


def read_hash(page):
    return page.evaluate("location.hash")


def read_address(page):
    return dict(urllib.parse.parse_qsl(read_hash(page).removeprefix("#")))


def wait_until(page, happens):
    """Playwright's own way evaluates strings in the page, whose policy forbids it."""
    for _ in range(500):
        if happens():
            return
        page.wait_for_timeout(20)
    raise AssertionError(read_hash(page))


def delay(page, part, ms):
    """Let answers to addresses with this part take so long, until the page is loaded anew."""
    page.evaluate("([part, ms]) => { window.delays[part] = ms; }", [part, ms])


def expect_problem(page, text):
    problem = page.locator(".problem[role=alert]:visible", has_text=text)
    problem.wait_for()
    return problem


def test_a_word_its_neighbours_and_their_map(page, ask):
    open_page(page)
    field = page.get_by_role("combobox", name="Words near")
    field.fill("car")
    field.press("Enter")
    bars = read_bars(page)
    expected = ask("/similar", word="car", top=20)["results"]
    assert bars == [(each["word"], f"{each['score']:.3f}") for each in expected]
    page.locator(".map svg").wait_for()
    drawn = page.locator(".map .point text").all_text_contents()
    assert drawn == ["car", *(word for word, _ in bars)]
    assert read_address(page) == {"view": "similar", "q": "car"}
    page.locator(".bars").get_by_role("button", name="truck", exact=True).click()
    wait_until(page, lambda: "q=truck" in read_hash(page))
    page.locator(".map .point.asked text", has_text="truck").wait_for()
    assert read_bars(page)[0][0] == "car"
    page.go_back()
    page.locator(".map .point.asked text", has_text="car").wait_for()
    assert field.input_value() == "car"
    assert [word for word, _ in read_bars(page)] == [each["word"] for each in expected]


def test_the_first_page_offers_words_of_the_vocabulary(page):
    open_page(page)
    offered = page.locator(".start button").filter(has_not_text="zero").first  # which has no direction
    word = offered.inner_text()
    assert word in TOKENS
    offered.click()
    page.locator(".bars li").first.wait_for()
    assert page.get_by_role("combobox", name="Words near").input_value() == word


def test_a_point_of_the_map_leads_to_its_word_and_lights_up_with_its_line(page):
    open_page(page, view="similar", q="king")
    page.locator(".map .point.found").first.wait_for()
    page.locator(".bars li").first.hover()
    word = page.locator(".bars bdi").first.inner_text()
    assert page.locator(".map .point.lit text").all_text_contents() == [word]
    # Dispatched, since a point may lie under the label of another.
    page.locator(".map .point.found").first.dispatch_event("click")
    wait_until(page, lambda: read_hash(page) != "#view=similar&q=king")
    assert read_address(page)["q"] in TOKENS


def test_sums_and_differences(page, ask):
    open_page(page, view="similar", q="king")
    row = page.locator(".bars li", has=page.get_by_role("button", name="man", exact=True))
    row.get_by_role("button", name="away from man").click()
    wait_until(page, lambda: "-+man" in read_hash(page))
    page.locator(".bars li", has_text="woman").get_by_role("button", name="towards woman").click()
    wait_until(page, lambda: "woman" in read_hash(page))
    assert read_address(page)["q"] == "king - man + woman"
    body = {"positive": ["king", "woman"], "negative": ["man"], "top": 20}
    page.locator(".map .point.asked text", has_text="woman").wait_for()
    expected = ask("/similar", body)["results"]
    assert read_bars(page) == [(each["word"], f"{each['score']:.3f}") for each in expected]
    page.get_by_label("By").select_option("3cosmul")
    expected = ask("/similar", body | {"method": "3cosmul"})["results"]
    wait_until(page, lambda: "3cosmul" in read_hash(page))
    page.locator(".bars .number", has_text=f"{expected[0]['score']:.3f}").first.wait_for()
    assert read_bars(page) == [(each["word"], f"{each['score']:.3f}") for each in expected]


def test_completion_by_keyboard(page):
    open_page(page)
    field = page.get_by_role("combobox", name="Words near")
    field.press_sequentially("king - w")
    option = page.get_by_role("option", name=re.compile("woman"))
    option.wait_for()
    assert field.get_attribute("aria-expanded") == "true"
    field.press("ArrowDown")
    assert option.get_attribute("aria-selected") == "true"
    assert field.get_attribute("aria-activedescendant") == option.get_attribute("id")
    field.press("Enter")
    page.locator(".bars li").first.wait_for()
    assert read_address(page)["q"] == "king - woman"
    assert page.locator(".completions li").count() == 0
    field.press_sequentially(" + c")
    page.locator(".completions li").first.wait_for()
    field.press("Escape")
    assert field.get_attribute("aria-expanded") == "false"
    assert field.input_value() == "king - woman + c"


def test_completion_by_pointer(page):
    open_page(page)
    field = page.get_by_role("combobox", name="Words near")
    field.press_sequentially("tr")
    page.get_by_role("option", name=re.compile("truck")).click()
    page.locator(".bars li").first.wait_for()
    assert field.input_value() == "truck"


def test_completion_by_finger(browser, address):
    for page in watch(browser, address, has_touch=True, is_mobile=True):
        open_page(page)
        page.get_by_role("combobox", name="Words near").press_sequentially("wo")
        page.get_by_role("option", name=re.compile("woman")).tap()
        page.locator(".map svg").wait_for()
        # What lay under the list was not touched.
        assert read_address(page) == {"view": "similar", "q": "woman"}


def test_a_completion_belongs_to_the_text_it_was_offered_for(page):
    open_page(page)
    field = page.get_by_role("combobox", name="Words near")
    field.press_sequentially("t")
    page.locator(".completions li").first.wait_for()
    field.press("ArrowDown")
    field.press_sequentially("ruck")
    field.press("Enter")
    page.locator(".bars li").first.wait_for()
    assert read_address(page)["q"] == "truck"
    field.fill("king - wo")
    page.locator(".completions li").first.wait_for()
    field.press("Home")
    field.press("ArrowDown")
    field.press("Enter")
    expect_problem(page, "'wo'")
    assert read_address(page)["q"] == "king - wo"


def test_a_slow_completion_gives_way_to_a_newer_one(page):
    open_page(page)
    page.locator(".start button").first.wait_for()
    delay(page, "prefix=t&", 1000)
    field = page.get_by_role("combobox", name="Words near")
    field.press_sequentially("t")
    page.wait_for_timeout(300)
    field.press_sequentially("r")
    page.get_by_role("option", name=re.compile("truck")).wait_for()
    page.wait_for_timeout(1000)
    assert page.locator(".completions li").count() == 1


def test_choosing_by_keyboard_keeps_the_focus(page):
    open_page(page, view="similar", q="car")
    page.locator(".bars li").first.wait_for()
    for label, key in (("Show", "ArrowDown"), ("Model", "ArrowUp")):
        select = page.get_by_role("combobox", name=label, exact=True)
        select.focus()
        before = select.input_value()
        select.press(key)
        page.locator(".bars li, .problem[role=alert]:visible").first.wait_for()
        assert select.input_value() != before
        assert select.evaluate("select => select === document.activeElement")


def test_what_is_written_is_not_lost(page):
    open_page(page, view="similar", q="car")
    page.locator(".bars li").first.wait_for()
    page.get_by_role("combobox", name="Words near").fill("king")
    page.get_by_label("Show").select_option("10")
    page.locator(".map .point.asked text", has_text="king").wait_for()
    assert read_address(page) == {"view": "similar", "q": "king", "top": "10"}
    open_page(page, view="analogy")
    page.get_by_role("combobox", name="is to b").fill("man")
    page.get_by_label("Model").select_option("hostile")
    wait_until(page, lambda: "hostile" in read_hash(page))
    assert page.get_by_role("combobox", name="is to b").input_value() == "man"


def test_what_was_offered_for_another_text_is_not(page):
    open_page(page)
    page.locator(".start button").first.wait_for()
    field = page.get_by_role("combobox", name="Words near")
    field.press_sequentially("t")
    page.locator(".completions li").first.wait_for()
    delay(page, "/words?", 700)
    field.fill("king + w")
    assert page.locator(".completions li").count() == 0
    option = page.get_by_role("option", name=re.compile("woman"))
    option.wait_for()
    assert field.get_attribute("aria-activedescendant") is None
    field.press("Enter")
    page.locator(".problem[role=alert]:visible").wait_for()
    delay(page, "/words?", 0)
    field.fill("tr")
    option = page.get_by_role("option", name=re.compile("truck"))
    option.wait_for()
    page.go_back()
    page.locator(".start").wait_for()
    assert option.count() == 0


def test_an_unknown_word_and_what_was_meant(page):
    open_page(page, view="similar", q="king - trukc")
    problem = expect_problem(page, "not in the vocabulary: 'trukc'")
    problem.get_by_role("button", name="truck").click()
    page.locator(".bars li").first.wait_for()
    assert read_address(page)["q"] == "king - truck"


def test_an_analogy_and_its_parallelogram(page, ask):
    open_page(page, view="analogy")
    for label, word in (("a", "king"), ("is to b", "man"), ("as c", "queen")):
        page.get_by_role("combobox", name=label, exact=True).fill(word)
    page.get_by_role("button", name="Ask").click()
    bars = read_bars(page)
    expected = ask("/analogy", {"a": "king", "b": "man", "c": "queen", "top": 10})["results"]
    assert bars == [(each["word"], f"{each['score']:.3f}") for each in expected]
    assert page.locator(".sentence").inner_text() == "king is to man as queen is to woman."
    page.locator(".arrow").first.wait_for()
    assert page.locator(".arrow").count() == 2
    assert page.locator(".point.asked text").all_text_contents() == ["king", "man", "queen"]


def test_an_analogy_with_an_unknown_word(page):
    open_page(page, view="analogy", a="king", b="mann", c="queen")
    expect_problem(page, "mann").get_by_role("button", name="man", exact=True).click()
    page.locator(".bars li").first.wait_for()
    assert read_address(page) | {"view": ""} == {"view": "", "a": "king", "b": "man", "c": "queen"}


def test_comparing_words(page, ask):
    open_page(page, view="compare")
    words = ["car", "truck", "bus", "king"]
    page.get_by_label("Compare", exact=True).fill(" ".join(words))
    page.get_by_role("button", name="Ask").click()
    page.locator(".matrix").wait_for()
    scores = ask("/similarity", {"a": words, "b": words})["scores"]
    cells = page.locator(".matrix td.number").all_inner_texts()
    assert cells == [f"{score:.2f}" for row in scores for score in row]
    assert page.locator(".matrix thead bdi").all_inner_texts() == words
    assert page.locator(".sentence").inner_text() == "king does not match the others."
    page.locator(".map").wait_for()
    assert page.locator(".point text").all_text_contents() == words


def test_comparing_texts(page, ask):
    open_page(page, view="compare", mode="texts", words="car truck\nking queen\nbus")
    page.locator(".matrix").wait_for()
    texts = ["car truck", "king queen", "bus"]
    scores = ask("/similarity", {"mode": "texts", "a": texts, "b": texts})["scores"]
    cells = page.locator(".matrix td.number").all_inner_texts()
    assert cells == [f"{score:.2f}" for row in scores for score in row]


def show(probability):
    percent = 100 * probability
    return float(f"{percent:.1f}" if percent >= 0.1 else f"{percent:.1g}")


def test_the_next_word_while_one_types(page, ask):
    open_page(page, view="next")
    page.locator("h2", has_text="At the beginning of a line").wait_for()
    field = page.get_by_label("Text", exact=True)
    field.press_sequentially("the company sa")
    page.locator("h2", has_text="Words that begin with sa").wait_for()
    following, completing = page.locator(".halves > div").all()
    expected = ask("/next", {"text": "the company sa", "top": 12})
    bars = read_bars(following)
    assert [word for word, _ in bars] == [each["word"] for each in expected["results"]]
    shown = [float(number.removesuffix(" %")) for _, number in bars]
    assert shown == [show(each["probability"]) for each in expected["results"]]
    assert "Not in the vocabulary: sa" in page.locator("#view").inner_text()
    expected = ask("/next", {"text": "the company", "prefix": "sa", "top": 12})["results"]
    assert {word for word, _ in read_bars(completing)} == {"said", "saying"}
    completing.get_by_role("button", name=expected[0]["word"], exact=True).click()
    wait_until(page, lambda: read_hash(page).endswith("+"))
    assert field.input_value() == f"the company {expected[0]['word']} "
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    # Leaving out what is mixed in asks the network alone.
    page.get_by_label("with n-grams").uncheck()
    wait_until(page, lambda: "mixture=no" in read_hash(page))
    alone = ask("/next", {"text": f"the company {expected[0]['word']}", "mixture": False, "top": 12})[
        "results"
    ]
    page.locator(".bars .number", has_text=str(show(alone[0]["probability"]))).first.wait_for()
    assert [word for word, _ in read_bars(page)] == [each["word"] for each in alone]


def test_how_probable_a_text_is(page, ask):
    open_page(page, view="next", text="the company said it")
    page.get_by_role("button", name="How probable is this text?").click()
    page.locator(".scored").wait_for()
    expected = ask("/score", {"text": "the company said it"})
    assert page.locator(".token").all_inner_texts() == [each["token"] for each in expected["tokens"]]
    assert float(page.locator(".sentence strong").inner_text()) == pytest.approx(expected["perplexity"], 1e-3)


def test_going_on(page, ask):
    open_page(page, view="next", text="the company")
    page.get_by_label("words", exact=True).fill("5")
    page.get_by_label("temperature").fill("1")
    page.get_by_label("seed").fill("7")
    page.get_by_role("button", name="Go on").click()
    body = {"text": "the company", "max_tokens": 5, "temperature": 1.0, "seed": 7}
    expected = ask("/generate", body)["text"]
    page.locator("mark").wait_for()
    assert page.locator("mark").inner_text() == expected
    page.get_by_role("button", name="Keep it").click()
    wait_until(page, lambda: read_hash(page).endswith("+"))
    assert page.get_by_label("Text", exact=True).input_value() == f"the company {expected} "


def test_an_answer_about_another_text_is_not_shown(page):
    open_page(page, view="next", text="the company")
    page.locator(".bars li").first.wait_for()
    field = page.get_by_label("Text", exact=True)
    page.get_by_role("button", name="How probable is this text?").click()
    page.locator(".scored").wait_for()
    page.locator(".bars").get_by_role("button").first.click()
    wait_until(page, lambda: read_hash(page).endswith("+"))
    assert page.locator(".scored").count() == 0
    delay(page, "/generate", 500)
    page.get_by_role("button", name="Go on").click()
    field.fill("a market")
    page.wait_for_timeout(1200)
    assert page.locator("mark").count() == 0


def test_a_button_pressed_at_once_asks_about_what_is_written(page, ask):
    open_page(page, view="next")
    page.locator(".bars li").first.wait_for()
    page.get_by_label("Text", exact=True).press_sequentially("the company said")
    page.get_by_role("button", name="How probable is this text?").click()
    page.locator(".scored").wait_for()
    wait_until(page, lambda: "said" in read_hash(page))
    page.wait_for_timeout(300)
    tokens = [each["token"] for each in ask("/score", {"text": "the company said"})["tokens"]]
    assert page.locator(".token").all_inner_texts() == tokens


def test_numbers_out_of_range_are_not_sent(page):
    open_page(page, view="next", text="the company")
    page.locator(".bars li").first.wait_for()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for label, value in (("temperature", ""), ("temperature", "-1"), ("words", "0"), ("seed", "1.5")):
        open_page(page, view="next", text="the company")
        page.locator(".bars li").first.wait_for()
        page.get_by_label(label, exact=True).fill(value)
        page.get_by_role("button", name="Go on").click()
        assert page.evaluate("document.activeElement.matches(':invalid')")
    assert not [url for url in asked if url.endswith("/generate")]


def test_a_text_left_at_once_stays_in_its_view(page):
    open_page(page, view="next")
    page.locator(".bars li").first.wait_for()
    page.get_by_label("Text", exact=True).press_sequentially("the")
    page.get_by_role("button", name="Words").click()
    page.wait_for_timeout(400)
    assert read_address(page) == {"view": "similar"}


def test_a_word_too_long_to_complete(page):
    open_page(page, view="next", text="the " + "z" * 1001)
    assert len(read_bars(page)) > 5
    assert page.locator(".problem[role=alert]:visible").count() == 0


def test_a_line_s_end_counts(page, ask):
    open_page(page, view="next", text="the company said\n")
    page.locator("h2", has_text="At the beginning of a line").wait_for()
    expected = ask("/next", {"text": "the company said\n", "top": 12})["results"]
    assert [word for word, _ in read_bars(page)] == [each["word"] for each in expected]


def test_texts_stay_out_of_the_server_s_log(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(page, view="next", text="the company said it")
    page.locator(".bars li").first.wait_for()
    assert len(asked) > 5
    assert not [url for url in asked if "company" in url.split("#")[0]]


def test_models_and_versions(page, ask):
    open_page(page, view="models")
    page.locator("article").first.wait_for()
    served = ask("/models")["models"]
    assert sorted(page.locator("article h2").all_inner_texts()) == sorted(
        each["name"] + ("default" if each["default"] else "") for each in served
    )
    sample = page.locator("article", has=page.locator("h2", has_text="sample"))
    sample.locator("summary").click()
    sample.locator("dd", has_text="cbow").wait_for()
    sample.get_by_role("button", name="Look into it").click()
    [versions] = [each["versions"] for each in served if each["name"] == "sample"]
    page.get_by_label("Version").select_option(versions[0])
    field = page.get_by_role("combobox", name="Words near")
    field.fill("car")
    with page.expect_request(lambda request: "/similar" in request.url) as asked:
        field.press("Enter")
    assert f"version={versions[0]}" in asked.value.url
    page.locator(".bars li").first.wait_for()
    # The other views of vectors go on with it, the language model has its own.
    page.get_by_role("button", name="Analogy").click()
    assert read_address(page) == {"view": "analogy", "model": "sample", "version": versions[0]}
    page.get_by_role("button", name="Next word").click()
    assert read_address(page) == {"view": "next"}
    page.get_by_role("button", name="Words").click()
    assert read_address(page) == {"view": "similar", "model": "sample", "version": versions[0]}


def test_a_new_version_shows(page, store, ask):
    open_page(page, view="similar", q="car")
    page.locator(".bars li").first.wait_for()
    before = page.get_by_label("Version").locator("option").count()
    version = publish(store, "sample")
    wait_until(page, lambda: ask("/similar", word="car")["version"] == version)
    page.get_by_label("Show").select_option("10")
    page.locator("option", has_text=f"newest ({version})").wait_for(state="attached")
    assert page.get_by_label("Version").locator("option").count() == before + 1


def test_a_new_version_that_is_noticed_late_changes_no_other_view(page, store, ask):
    open_page(page, view="similar", q="car")
    page.locator(".bars li").first.wait_for()
    version = publish(store, "sample")
    wait_until(page, lambda: ask("/similar", word="car")["version"] == version)
    delay(page, "/models", 600)
    page.get_by_label("Show").select_option("10")
    page.wait_for_timeout(300)
    page.get_by_role("button", name="Next word").click()
    page.wait_for_timeout(800)
    assert page.get_by_label("Model").input_value() == "story"


def test_a_model_that_is_published_later_and_one_that_is_not_there(page, store, ask):
    open_page(page, view="similar", q="car")
    page.locator(".bars li").first.wait_for()
    name = "late"
    publish(store, name)
    wait_until(page, lambda: name in [model["name"] for model in ask("/models")["models"]])
    page.get_by_role("button", name="Models").click()
    late = page.locator("article", has=page.locator("h2", has_text=name))
    late.get_by_role("button", name="Look into it").click()
    page.locator(".start button").first.wait_for()
    assert page.get_by_label("Model").input_value() == name
    # A version that was chosen of another model goes not with it.
    oldest = Store(store).versions("sample")[0]
    open_page(page, view="similar", model="sample", version=oldest, q="car")
    page.locator(".bars li").first.wait_for()
    page.get_by_role("button", name="Models").click()
    late.get_by_role("button", name="Look into it").click()
    page.locator(".start button").first.wait_for()
    assert read_address(page) == {"view": "similar", "model": name}
    shutil.rmtree(store / name)
    wait_until(page, lambda: name not in [model["name"] for model in ask("/models")["models"]])
    page.get_by_label("Show").select_option("10")
    page.locator("#choice .problem", has_text=f"There is no {name} here").wait_for()
    open_page(page, view="similar", model="nope", q="car")
    page.locator("#choice .problem", has_text="There is no nope here; this is sample.").wait_for()
    open_page(page, view="similar", model="sample", version="20250101T000000Z-00000000", q="car")
    page.locator("#choice .problem", has_text="There is no version 20250101T000000Z-00000000").wait_for()
    assert read_bars(page)[0][0] == "truck"


def test_what_a_screen_reader_says(page):
    open_page(page, view="similar", q="car")
    page.locator(".bars li").first.wait_for()
    assert page.get_by_role("status").inner_text() == "10 words near car, the nearest: truck"
    assert page.locator("[aria-live]").count() == 0
    assert page.get_by_role("heading", level=1).inner_text() == "wordkin"


@pytest.mark.parametrize(
    ("path", "parameters", "selector"),
    [
        ("**/info", {"view": "similar", "q": "car"}, ".bars li"),
        ("**/models", {"view": "similar", "q": "car"}, ".bars li"),
        ("**/similar?*", {"view": "similar", "q": "car"}, ".bars li"),
        ("**/vectors", {"view": "similar", "q": "car"}, ".map"),
        ("**/analogy", {"view": "analogy", "a": "king", "b": "man", "c": "queen"}, ".bars li"),
        ("**/similarity", {"view": "compare", "words": "car bus king"}, ".matrix"),
        ("**/doesnt-match", {"view": "compare", "words": "car bus king"}, ".matrix"),
        ("**/next", {"view": "next", "text": "the"}, ".bars li"),
    ],
)
@pytest.mark.parametrize("broken", ["no answer", "half an answer"])
def test_a_server_that_comes_back(page, path, parameters, selector, broken):
    page.route(
        path, lambda route: route.abort() if broken == "no answer" else route.fulfill(status=200, body="<")
    )
    open_page(page, **parameters)
    problem = "the server does not answer" if broken == "no answer" else "the server's answer was cut short"
    expect_problem(page, problem)
    page.unroute(path)
    page.get_by_role("button", name="Try again").click()
    page.locator(selector).first.wait_for()


def test_a_server_with_a_rate(browser, store):
    with serve(store, "--rate-limit", 3) as server:
        for page in watch(browser, f"http://127.0.0.1:{server.port}"):
            open_page(page, view="similar", q="car")
            page.locator(".map svg").wait_for()
            assert read_bars(page)[0][0] == "truck"


def test_a_slow_answer_shows_that_it_is_awaited(page):
    open_page(page, view="similar", q="car")
    page.locator(".map svg").wait_for()
    assert page.locator("#view[aria-busy]").count() == 0
    delay(page, "/similar?", 600)
    page.locator(".bars").get_by_role("button", name="bus", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    assert page.locator("#view[aria-busy]").count() == 1
    page.locator(".map .point.asked text", has_text="bus").wait_for()
    wait_until(page, lambda: page.locator("#view[aria-busy]").count() == 0)
    # The button that had the focus went with the answer before.
    assert page.evaluate("document.activeElement.id") == "view"


def test_how_to_go_on_is_kept(page):
    open_page(page, view="next", text="the company")
    page.get_by_label("temperature").fill("0.35")
    page.get_by_label("seed").fill("11")
    page.get_by_role("button", name="Words").click()
    page.get_by_role("button", name="Next word").click()
    assert page.get_by_label("temperature").input_value() == "0.35"
    assert page.get_by_label("seed").input_value() == "11"


def test_words_are_never_markup(page):
    open_page(page, view="similar", model="hostile", q="plain")
    words = [word for word, _ in read_bars(page)]
    assert sorted([*words, "plain"]) == sorted(HOSTILE)
    assert page.locator("main img, main b").count() == 0
    open_page(page, view="similar", model="hostile", q="<img src=y>")
    expect_problem(page, "<img src=y>")
    assert page.locator("main img").count() == 0


def test_what_the_terminal_would_ask(page, ask):
    open_page(page, view="similar", q="car", top="10")
    page.locator(".curl summary").click()
    command = page.locator(".curl pre").inner_text()
    url = re.fullmatch(r"curl '(.+)'", command)[1]
    assert httpx.get(url).json()["results"] == ask("/similar", word="car", top=10)["results"]


def test_a_pinned_version_is_called_so(page, store, ask):
    oldest = Store(store).versions("sample")[0]
    Store(store).pin("sample", oldest)
    try:
        wait_until(page, lambda: ask("/similar", word="car")["version"] == oldest)
        open_page(page, view="similar", q="car")
        page.locator("option", has_text=f"pinned ({oldest})").wait_for(state="attached")
    finally:
        Store(store).unpin("sample")
        wait_until(page, lambda: ask("/similar", word="car")["version"] != oldest)


def test_words_and_numbers_of_a_table_are_not_broken(page):
    page.set_viewport_size({"width": 360, "height": 740})
    open_page(page, view="compare", words="car truck bus king queen man woman")
    page.locator(".matrix").wait_for()
    heights = page.evaluate("[...document.querySelectorAll('.matrix tr')].map((row) => row.offsetHeight)")
    assert max(heights) < 40
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_narrow_screen_needs_no_scrolling_sideways(page):
    page.set_viewport_size({"width": 360, "height": 740})
    long = "x" * 300
    for parameters in (
        {"view": "similar", "q": long},
        {"view": "analogy", "a": "king", "b": "man", "c": long},
        {"view": "next", "text": f"the {long}"},
        {"view": "similar", "q": "car"},
        {"view": "analogy", "a": "king", "b": "man", "c": "queen"},
        {"view": "next", "text": "the comp"},
        {"view": "models"},
    ):
        open_page(page, **parameters)
        page.locator(".bars li, article, .problem[role=alert]:visible").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_every_field_has_a_name(page):
    for view in ("similar", "analogy", "compare", "next", "models"):
        open_page(page, view=view)
        page.locator("#view *").first.wait_for()
        nameless = page.evaluate(
            "[...document.querySelectorAll('input, select, textarea')]"
            ".filter((field) => !field.labels.length).map((field) => field.outerHTML)"
        )
        assert nameless == []


def test_a_server_that_asks_for_a_key(browser, store):
    secret, key = draw_key("reader", "read")
    with serve(store, "--keys", key.format()) as server:
        for page in watch(browser, f"http://127.0.0.1:{server.port}"):
            open_page(page, view="similar", q="car")
            field = page.get_by_label("Key")
            page.evaluate("location.hash = '#view=analogy'")
            assert page.locator("#view *").count() == 0
            page.evaluate("location.hash = '#view=similar&q=car'")
            field.fill("ключ")
            page.get_by_role("button", name="Use it").click()
            expect_problem(page, "only letters, digits and signs of ASCII")
            field.fill("wrong")
            page.get_by_role("button", name="Use it").click()
            expect_problem(page, "not one of this server's")
            field.fill(secret)
            page.get_by_role("button", name="Use it").click()
            assert read_bars(page)[0][0] == "truck"
            assert not field.is_visible()
            assert "Authorization: Bearer $WORDKIN_KEY" in page.locator(".curl pre").text_content()
            kept = page.evaluate("JSON.stringify([localStorage, document.cookie, location.href])")
            assert secret not in kept
            # It is there after another load of this tab.
            open_page(page, view="similar", q="king")
            assert len(read_bars(page)) > 5


def test_a_server_with_word_vectors_only(browser, tmp_path):
    publish(tmp_path / "store", "sample")
    with serve(tmp_path / "store") as server:
        for page in watch(browser, f"http://127.0.0.1:{server.port}"):
            open_page(page, view="next")
            page.locator("code", has_text="python -m trainer train rnnlm").wait_for()
            page.get_by_role("button", name="Words").click()
            page.locator(".start button").first.wait_for()


def test_the_plane_is_that_of_the_principal_components(page):
    open_page(page)
    rng = np.random.default_rng(5)
    for vectors in (VECTORS, rng.normal(size=(40, 100)), np.ones((3, 4)), rng.normal(size=(2, 3))):
        plane = page.evaluate(
            "async (vectors) => (await import('/explorer/plane.js')).principalPlane(vectors)",
            vectors.tolist(),
        )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / np.where(norms == 0, 1, norms)
        centred = unit - unit.mean(axis=0)
        left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
        points = np.array(plane["points"], np.float64)
        total = (sizes**2).sum()
        expected = (left * sizes)[:, :2] if total > 1e-9 else np.zeros((len(vectors), 2))
        # Signs are free; what two components tell does not depend on them.
        np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=2e-4)
        np.testing.assert_allclose(points @ points.T, expected @ expected.T, atol=2e-4)
        if total > 1e-9:
            assert plane["share"] == pytest.approx((sizes[:2] ** 2).sum() / total, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "positive", "negative"),
    [
        ("car", ["car"], []),
        ("  new york  ", ["new york"], []),
        ("king - man + woman", ["king", "woman"], ["man"]),
        ("- man + king", ["king"], ["man"]),
        ("king − man", ["king"], ["man"]),
        ("well-known + c++", ["well-known", "c++"], []),
        ("+", ["+"], []),
        ("-", ["-"], []),
        ("- + king", ["-", "king"], []),
        ("king - - + man", ["king", "man"], ["-"]),
        ("king - -", ["king"], ["-"]),
        ("", [], []),
    ],
)
def test_reading_a_sum(page, text, positive, negative):
    open_page(page)
    read = "async (text) => (await import('/explorer/similar.js')).readSum(text)"
    assert page.evaluate(read, text) == {"positive": positive, "negative": negative}


@pytest.mark.parametrize(
    ("text", "term"),
    [("ca|", "ca"), ("king - m|", "m"), ("ki| - man", "ki"), ("king - new y|ork + a", "new york"), ("|", "")],
)
def test_finding_the_term_that_is_written(page, text, term):
    open_page(page)
    find = "async ([text, caret]) => (await import('/explorer/similar.js')).findTerm(text, caret)"
    caret, text = text.index("|"), text.replace("|", "")
    start, end = page.evaluate(find, [text, caret])
    assert text[start:end] == term
