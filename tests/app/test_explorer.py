"""The page at /, as a client gets it. tests/browser looks at what a browser makes of it."""

import re

import pytest

from app.explorer import FILES
from tests.app.serving import check_problem, publish

TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in FILES.glob("*.js")}


def test_the_page_and_all_that_it_names(client):
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) >= 6
    for link in links:
        # Relative, so that they hold behind a proxy that has put the server into a folder.
        assert not link.startswith("/")
        assert client.get(f"/{link.removeprefix('./')}").status_code == 200


@pytest.mark.parametrize("path", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_its_files(client, path):
    answer = client.get(f"/explorer/{path.name}")
    assert answer.status_code == 200
    assert answer.content == path.read_bytes()
    if path.suffix in TYPES:
        assert answer.headers["content-type"].split(";")[0] == TYPES[path.suffix]
    # A new release shows at once, and an old one is not sent again.
    assert answer.headers["cache-control"] == "no-cache"
    again = client.request("GET", f"/explorer/{path.name}", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")


@pytest.mark.parametrize("name", ["", "missing.js", "../keys.py", "%2e%2e/keys.py", "../../pyproject.toml"])
def test_nothing_else_is_served_there(client, name):
    assert client.get(f"/explorer/{name}").status_code in {404, 405}


def test_a_browser_is_told_to_stay_here(client):
    policy = dict(
        part.strip().split(" ", 1) for part in client.get("/").headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("connect", "style", "script", "img")} == {"'self'"}
    assert policy["frame-ancestors"] == "'none'"


def test_the_files_need_no_internet_and_make_no_markup_of_words():
    for path in FILES.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|[\"'(]//", text), path.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|@import", text)
    page = (FILES / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_scripts_import_what_is_there():
    for name, text in SCRIPTS.items():
        for names, source in re.findall(r"import \{([^}]*)\} from \"\./([^\"]+)\"", text):
            for each in filter(None, (each.strip() for each in names.split(","))):
                pattern = rf"export (async )?(function|class|const) {re.escape(each)}\b"
                assert re.search(pattern, SCRIPTS[source]), (name, each)
        assert text.count("import {") == len(re.findall(r"from \"\./", text)), name


def test_it_asks_routes_that_there_are(client):
    paths = client.get("/openapi.json").json()["paths"]
    asked = {path for text in SCRIPTS.values() for path in re.findall(r"\"(/[a-z][a-z-]*)\"", text)}
    asked |= {
        f"{path}/{{name}}" for text in SCRIPTS.values() for path in re.findall(r"`(/[a-z]+)/\$\{", text)
    }
    assert asked >= {"/similar", "/analogy", "/similarity", "/next", "/score", "/generate", "/models/{name}"}
    assert asked <= set(paths)


def test_a_rate_lets_the_whole_page_through(open_client, root):
    publish(root, "sample")
    client = open_client(rate_limit=1)
    assert client.get("/").status_code == 200
    for path in FILES.iterdir():
        assert client.get(f"/explorer/{path.name}").status_code == 200
    assert client.get("/models").status_code == 429


def test_it_is_no_part_of_the_interface(client):
    assert "/" not in client.get("/openapi.json").json()["paths"]
    check_problem(client.post("/"), 405)
