import shutil

import numpy as np
import pytest

from tests.app.serving import Server, publish

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# What the page asks takes as long as `delays` says, by a part of the address; a route's handler would hold up the test as well.
SLOW = """
const answer = window.fetch;
window.delays = {};
window.fetch = async (address, options) => {
  const [, ms] = Object.entries(window.delays).find(([part]) => address.includes(part)) ?? [];
  if (ms) await new Promise((done) => setTimeout(done, ms));
  return answer(address, options);
};
"""
# Without a sandbox of its own it also runs as root, as in a container; it opens nothing but pages of the tests.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]
HOSTILE = ["<img src=x onerror=alert(1)>", "'\"><b>", "plain", "שלום"]


@pytest.fixture(scope="session")
def browser(request):
    """Chromium, without a window. Playwright leaves an event loop running, so that these tests run by themselves alone."""
    if not request.config.getoption("--require-browser"):
        pytest.skip("the page is looked at by make test-browser")
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.fail("neither Chromium nor Chrome is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """Two versions of word vectors, "sample", others whose words look like markup, "hostile", and a language model, "story"."""
    root = tmp_path_factory.mktemp("browser") / "store"
    publish(root, "sample")
    publish(root, "sample")
    publish(root, "hostile", tokens=HOSTILE, vectors=np.eye(4, 3, dtype=np.float32) + np.float32(0.5))
    publish(root, "story", kind="language-model")
    return root


@pytest.fixture(scope="session")
def address(store):
    """Where a server in a process of its own answers, of whose models "sample" is the default."""
    with serve(store) as server:
        yield f"http://127.0.0.1:{server.port}"


def serve(store, *arguments):
    environment = {"WORDKIN_CACHE": str(store.parent / "cache")}
    return Server("--store", store, "--default-model", "sample", *arguments, environment=environment)


@pytest.fixture
def page(browser, address):
    """A page that has opened nothing yet. At the end it must have asked no other server, and have met no error of its own."""
    yield from watch(browser, address)


def watch(browser, address, **options):
    context = browser.new_context(base_url=address, viewport={"width": 1200, "height": 900}, **options)
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.add_init_script(SLOW)
    errors, foreign = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if is_error(message) else None)
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.on("request", lambda each: None if each.url.startswith(address) else foreign.append(each.url))
    yield page
    context.close()
    assert not errors
    assert not foreign


def is_error(message):
    """Whether the console's message is one of the page's own; Chromium also writes down every answer that is no success."""
    return message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource")
